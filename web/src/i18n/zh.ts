import type { Words } from './en'
import { archive } from './zh/archive'
import { corrections } from './zh/corrections'
import { flags } from './zh/flags'
import { input } from './zh/input'
import { problems } from './zh/problems'
import { result } from './zh/result'
import { timeline } from './zh/timeline'

export const zh: Words = {
  tagline: '逐秒听出语音中的情感',
  skip: '跳到结果',
  nav: { label: '视图', recognise: '识别', history: '录音', insights: '概览', docs: 'API' },
  theme: { auto: '主题：跟随系统', light: '主题：浅色', dark: '主题：深色' },
  language: { label: 'Switch to English', other: 'English' },
  colon: '：',
  close: '关闭',
  cancel: '取消',
  retry: '重试',
  remove: '移除',
  details: '服务返回的说明',
  loading: '加载中…',
  copied: '已复制',
  copy: '复制',
  service: {
    gone: '无法连接服务，正在重试…',
    goneHint: '如果服务已停止，请重新启动（bash run.sh）。排队中的任务会自动继续。',
    back: '服务已恢复。',
    starting: '正在加载模型…',
    private: '所有数据都留在这台机器上。',
    elsewhere: '录音只会发送到此地址的服务，不会发往别处。',
  },
  key: {
    title: '此服务需要 API 密钥',
    hint: '服务的管理者可用此命令创建：emovox keys add 名称',
    label: 'API 密钥',
    enter: '继续',
    wrong: '服务不认识这个密钥。',
    end: '忘记密钥',
  },
  frame: {
    options: '选项',
    done: '完成',
    list: '录音列表',
    all: '全部',
    latest: '最近的录音',
    filtered: '正在筛选，未显示全部。',
    another: '再来一段录音',
    and: '、',
    talkTime: '仅说话时长',
    undo: '撤销',
    deleteNow: '立即删除',
    choose: '已选',
    tag: '标签',
    tags: '标签',
    tagsOf: (count) => `${count} 条录音的标签`,
    newTag: '新标签',
    addTag: '添加',
    onlyTag: (tag) => `只看「${tag}」`,
    listed: (count, partial) => `${partial ? '最近 ' : ''}${count} 条录音`,
    sound: (length) => `声音约长 ${length}。`,
    takes: (length) => `预计需要 ${length}。`,
    tellMe: '完成后通知我',
  },
  keys: {
    title: '快捷键',
    groups: [
      {
        title: '任何地方',
        keys: [
          ['?', '显示这些快捷键'],
          ['Tab', '移到下一个控件；第一个可直接跳到结果'],
          ['Esc', '关闭浮在页面上的内容'],
        ],
      },
      {
        title: '时间轴中',
        keys: [
          ['Space', '播放、暂停（空格）'],
          ['← →', '移动光标；按住 Shift 为小步'],
          ['[ ]', '切换语音段'],
          ['Enter', '播放该段（回车）'],
          ['+ −', '缩放，也可用 ↑ 和 ↓'],
          ['0', '显示全部'],
          ['PageUp PageDown', '移动视图'],
          ['Home End', '移到开头、结尾'],
          ['J L', '后退、前进 5 秒'],
          ['< >', '放慢、加快'],
          ['R', '循环播放该段'],
          ['S', '只听通话的一方'],
        ],
      },
      {
        title: '对比中',
        keys: [
          ['A B …', '听那一条录音，位置不变'],
          ['X', '换下一个'],
          ['+ −', '一起缩放；选中其中一条后，除 S 外时间轴的快捷键都可用'],
        ],
      },
      {
        title: '更正语音段（时间轴中）',
        keys: [
          ['1 … 9', '说明这一段是什么'],
          ['E', '其他类别，自己填写'],
          ['Backspace', '取消说明'],
          ['Z', '撤销上一步'],
          ['N', '跳到所有录音中模型最没有把握的一段'],
          ['T', '用已有的说明训练分类头'],
        ],
      },
    ],
  },
  ...input,
  ...result,
  ...timeline,
  ...archive,
  ...corrections,
  ...flags,
  ...problems,
}
