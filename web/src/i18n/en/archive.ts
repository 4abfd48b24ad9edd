/** So many recordings, stretches of them, or some of both. */
function labelled(count: number, stretches: number): string {
  const noun = !stretches ? 'recording' : stretches === count ? 'stretch' : 'example'
  return `${count} ${noun}${count === 1 ? '' : noun === 'stretch' ? 'es' : 's'}`
}

/** What is stored: the list, insights, comparison. */
export const archive = {
  history: {
    title: 'Recordings',
    name: 'Name',
    emotion: 'Emotion',
    since: 'From',
    until: 'To',
    all: 'All emotions',
    none: 'Nothing is stored yet.',
    noMatch: 'Nothing matches this search.',
    more: 'Show more',
    compare: 'Compare',
    compareHint: 'Choose two or more to compare',
    chosen: (count: number) => `${count} chosen`,
    choose: (name: string) => `Choose ${name}`,
    chooseAll: 'Choose all',
    chooseNone: 'Choose none',
    open: (name: string) => `Open ${name}`,
    delete: 'Delete',
    deleteTitle: (count: number) =>
      count === 1 ? 'Delete this recording’s outputs?' : `Delete the outputs of ${count} recordings?`,
    deleteText: 'Sound, result and exports are removed from the disk. For ten seconds it can be undone.',
    deleted: (count: number) => `${count} deleted.`,
    unnamed: 'without a name',
    when: 'When',
    model: 'Model',
    reset: 'Reset',
  },
  insights: {
    title: 'Insights',
    sum: 'What was recognised',
    counts: (count: number, length: string) => `${count} ${count === 1 ? 'recording' : 'recordings'}, ${length}`,
    byEmotion: 'How often each emotion leads',
    byWhole:
      'By the scores of each whole recording, silence included, as result.json has them; headlines go by the speech alone.',
    overTime: 'Day by day',
    values: 'Means of the values',
    similar: 'What sounds like this',
    similarity: 'Similarity of the embeddings',
    similarHint: 'By the model’s embeddings, in the whole archive. 100 % is the same sound.',
    noSimilar: 'Nothing in the archive can be compared with this.',
    heads: 'Own classes and values (heads)',
    noHeads: 'There are none yet.',
    headsHint:
      'Recall of each class, or agreement of each value, on recordings that were kept from training. Heads are trained by',
    measured: (recall: string) => `Recall of ${recall} in the mean of its classes`,
    between: (low: string, high: string) => `(${low} to ${high})`,
    heldOut: (count: number, group: string) => `${count} held out in turn, by ${group}`,
    ofCorrections: 'from corrections',
    measuredValues: 'Agreement with ratings (CCC; 1 is perfect)',
    unmeasured: 'Not measured: it was trained on all there was',
    models: 'Models, and what they give besides the nine emotions',
    noOwn: 'nothing else',
    map: 'The map of the recordings',
    mapHint:
      'What sounds alike lies together; directions mean nothing. A click opens a recording; the arrow keys go from one to the next, and Enter opens it.',
    noMap: 'Nothing can be drawn yet: recordings are on the map if their embeddings are in the archive.',
    mapPart: (shown: number, all: number, model: string) =>
      `${shown} of ${all} are shown: the latest that ${model} recognised.`,
    evaluations: 'How right the results are',
    evaluate: 'Compare with labels…',
    evaluateHint:
      'Lists (CSV, TSV or JSON lines) with the columns path and label, or what Praat, ELAN and Audacity write (TextGrid, EAF, labels as text), where call.TextGrid is about call.wav; several at once. What is stored of each recording, or stretch of one, is compared with its label. Nothing is recognised again.',
    labelColumn: 'Column or tier',
    recallOf: (recall: string, count: number, stretches: number) =>
      `mean recall ${recall}, ${labelled(count, stretches)}`,
    figures: { unweighted: 'Mean recall', weighted: 'Right', macro_f1: 'Macro F1' },
    ends: (low: string, high: string) => `95 %: ${low} to ${high}`,
    trainedOn: (model: string, corpora: string) =>
      `${model} was trained on ${corpora}, which these recordings seem to be of: the figures say how well it knows them, not how it does on speech that it doesn’t know.`,
    recalls: 'Recall of each class',
    coverage: 'Accuracy over coverage',
    coverageText: (text: string) => `How many are right of the surest: ${text}`,
    coverageHint: 'How many are right if only the surest share is judged.',
    confusion: 'Who is taken for whom',
    confusionHint: 'A row for each label, a column for each verdict; darker is a larger share of the row.',
    compared: (count: number, stretches: number, model: string) =>
      `${labelled(count, stretches)}, as ${model} recognised them without a baseline.`,
    missing: (count: number, name: string) =>
      `Nothing that is stored could be compared with ${count} ${count === 1 ? 'label' : 'labels'}, such as that of ${name}.`,
    leftOut: (labels: string) => `Left out, as no class that competes: ${labels}.`,
  },
  compare: {
    title: 'Comparison',
    axis: 'On one axis',
    hint: 'A, B… or X: another one, at the same second. Space plays, + and − zoom all of them.',
    hear: (letter: string, name: string) => `Hear ${letter}: ${name}`,
    differs: 'What differs',
    share: (name: string, high: string, most: string, low: string, least: string) =>
      `${name} leads in ${most} of the speech of ${high}, and in ${least} of ${low}.`,
    value: (name: string, high: string, most: string, low: string, least: string) =>
      `${name} is highest in ${high} (${most}), and lowest in ${low} (${least}).`,
    same: 'By their speech they are alike: nothing differs by a tenth.',
    unknown: 'In words it can be said of results with segments alone. The numbers are below.',
    difference: 'Difference',
    models: (models: string) => `Different models made these scores: ${models}.`,
    recording: 'Recording',
    swap: 'Swap',
  },
}
