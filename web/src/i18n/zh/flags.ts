import type { Words } from '../en'

/** 标记：有名字的规则，用来找片段。 */
export const flags: Pick<Words, 'flags'> = {
  flags: {
    title: '标记',
    hint: '标记在全部录音里找片段：相邻的语音段都符合规则，并且够长。使用本服务的人共用这些标记。',
    find: '查找片段…',
    edit: '编辑标记…',
    rule: '规则',
    example: '愤怒 >= 60% 持续 3 秒',
    name: '名称',
    exampleName: '投诉',
    keep: '保存',
    count: (count) => `${count} 个片段`,
    open: (name, flag, time, channel) =>
      `${flag}，${time}：打开 ${name}${channel === null ? '' : `，声道 ${channel}`}`,
  },
}
