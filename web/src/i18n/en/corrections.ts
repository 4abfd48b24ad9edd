/** What people say of segments. */
export const corrections = {
  corrections: {
    title: 'Correct',
    hint: 'Choose a segment ([ and ]) and press 1 to 9 to say what it is. N leads to the least certain one of all recordings.',
    help: '1 to 9 say what the segment is, E another class, Backspace takes it back, Z undoes, N goes to the least certain segment of all recordings, T trains a head.',
    said: (name: string, share: string) => `the model says ${name} ${share}`.trim(),
    what: 'What it is',
    own: 'Another class',
    set: 'Set',
    undo: 'Undo',
    next: 'Next to review',
    train: (count: number) => `Train from ${count} ${count === 1 ? 'correction' : 'corrections'}`,
    isNow: (name: string) => `It is ${name}.`,
    done: 'Nothing more to review: you have seen all of it.',
    label: 'Label',
    segments: 'Segments',
    recall: 'Recall',
    trainHint:
      'Makes own classes of what you said of segments. Confirmed ones count as much as corrected ones; five of each class are a good start. Click a class to leave it out.',
    needs: (label: string, count: number) => `${label} needs ${count} more`,
    few: (missing: string) => `Too few: ${missing}. Or leave it out.`,
    one: 'Two classes or more are needed. A segment that the model judged rightly can be confirmed by its key: that counts, too.',
    name: 'Name of the head',
    start: 'Train',
    again: 'Train again',
    exists: (name: string) => `There is a head ${name} already. Train it again?`,
    working: 'Training',
    made: (name: string, folds: number, groups: number, group: string | null) =>
      folds
        ? `${name} is trained. To measure it, ${groups} ${group === 'speaker' ? 'speakers' : 'recordings'} were held out in ${folds} parts: each was judged by a head that hadn’t seen it.`
        : `${name} is trained. Nothing could be held out, as all of it is of one ${group === 'speaker' ? 'speaker' : 'recording'}: how well it does isn’t known.`,
    leftOut: (count: number) => `${count} ${count === 1 ? 'segment' : 'segments'} could not be used:`,
    use: 'Use it',
  },
}
