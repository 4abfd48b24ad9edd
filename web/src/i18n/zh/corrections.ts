import type { Words } from '../en'

/** 人对语音段的判断。 */
export const corrections: Pick<Words, 'corrections'> = {
  corrections: {
    title: '更正',
    hint: '用 [ 和 ] 选中一段，再按 1 到 9 说明它是什么。按 N 跳到所有录音中模型最没有把握的一段。',
    help: '1 到 9 说明该段是什么，E 填写其他类别，退格取消，Z 撤销，N 跳到所有录音中最没有把握的一段，T 训练分类头。',
    said: (name, share) => `模型判断：${name} ${share}`.trim(),
    what: '它是什么',
    own: '其他类别',
    set: '确定',
    undo: '撤销',
    next: '下一段待查',
    train: (count) => `用 ${count} 处更正训练`,
    isNow: (name) => `这一段是${name}。`,
    done: '没有待查的了：您已经全部看过。',
    label: '标签',
    segments: '语音段',
    recall: '召回率',
    trainHint:
      '用您对语音段的判断训练自己的类别。确认与更正同样算数；每类五段是个不错的开始。单击某一类可将其排除。',
    needs: (label, count) => `${label}还差 ${count} 段`,
    few: (missing) => `太少：${missing}。也可以把它排除。`,
    one: '至少需要两类。模型判断正确的语音段也可以按键确认，同样算数。',
    name: '分类头名称',
    start: '训练',
    again: '重新训练',
    exists: (name) => `已有分类头 ${name}。要重新训练吗？`,
    working: '正在训练',
    made: (name, folds, groups, group) =>
      folds
        ? `${name} 已训练好。为了检验，${groups} ${group === 'speaker' ? '位说话人' : '条录音'}分成 ${folds} 份依次留出，每份都由没有见过它的分类头来判断。`
        : `${name} 已训练好。语音段全部来自同一${group === 'speaker' ? '位说话人' : '条录音'}，无法留出，所以效果如何尚不清楚。`,
    leftOut: (count) => `${count} 段无法使用：`,
    use: '使用',
  },
}
