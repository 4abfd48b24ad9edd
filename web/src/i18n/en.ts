import { archive } from './en/archive'
import { corrections } from './en/corrections'
import { flags } from './en/flags'
import { input } from './en/input'
import { problems } from './en/problems'
import { result } from './en/result'
import { timeline } from './en/timeline'

/** All words of the page. `zh.ts` has the same, which the types and a test see to. */
export const en = {
  tagline: 'Hear emotion in speech, second by second',
  skip: 'Skip to the result',
  nav: { label: 'Views', recognise: 'Recognise', history: 'Recordings', insights: 'Insights', docs: 'API' },
  theme: { auto: 'Theme: as the system has it', light: 'Theme: light', dark: 'Theme: dark' },
  language: { label: '切换到中文', other: '中文' },
  colon: ': ',
  close: 'Close',
  cancel: 'Cancel',
  retry: 'Try again',
  remove: 'Remove',
  details: 'What the service says',
  loading: 'Loading…',
  copied: 'Copied',
  copy: 'Copy',
  service: {
    gone: 'The service can’t be reached. Trying again…',
    goneHint: 'If it was stopped, start it again (bash run.sh). Whatever was queued goes on by itself.',
    back: 'The service is back.',
    starting: 'The model is being loaded…',
    private: 'Everything stays on this machine.',
    elsewhere: 'Recordings go to the service at this address and to nobody else.',
  },
  key: {
    title: 'This service asks for an API key',
    hint: 'Whoever runs it makes one with: emovox keys add NAME',
    label: 'API key',
    enter: 'Continue',
    wrong: 'The service doesn’t know this key.',
    end: 'Forget the key',
  },
  frame: {
    options: 'Options',
    done: 'Done',
    list: 'Recordings',
    all: 'All',
    latest: 'Latest recordings',
    filtered: 'Not all are shown: the search is on.',
    another: 'Another recording',
    and: ', ',
    talkTime: 'talk time only',
    undo: 'Undo',
    deleteNow: 'Delete now',
    choose: 'Chosen',
    tag: 'Tag',
    tags: 'Tags',
    tagsOf: (count: number) => `Tags of ${count} ${count === 1 ? 'recording' : 'recordings'}`,
    newTag: 'New tag',
    addTag: 'Add',
    onlyTag: (tag: string) => `Only ${tag}`,
    listed: (count: number, partial: boolean) =>
      `${partial ? 'the latest ' : ''}${count} ${count === 1 ? 'recording' : 'recordings'}`,
    sound: (length: string) => `About ${length} of sound.`,
    takes: (length: string) => `It may take ${length}.`,
    tellMe: 'Tell me when it is done',
  },
  keys: {
    title: 'Keys',
    groups: [
      {
        title: 'Everywhere',
        keys: [
          ['?', 'These keys'],
          ['Tab', 'On to the next control; the first leads straight to the result'],
          ['Esc', 'Close what lies over the page'],
        ],
      },
      {
        title: 'In the timeline',
        keys: [
          ['Space', 'Play and pause'],
          ['← →', 'Move the cursor; with Shift in small steps'],
          ['[ ]', 'From segment to segment'],
          ['Enter', 'Play the segment'],
          ['+ −', 'Zoom; ↑ and ↓, too'],
          ['0', 'Show all'],
          ['PageUp PageDown', 'Move the view'],
          ['Home End', 'To the start, to the end'],
          ['J L', 'Five seconds back, or forth'],
          ['< >', 'Slower, faster'],
          ['R', 'The segment over and over'],
          ['S', 'One side of a call alone'],
        ],
      },
      {
        title: 'In a comparison',
        keys: [
          ['A B …', 'Hear that recording, at the same second'],
          ['X', 'The next one'],
          ['+ −', 'Zoom all of them; on one of them all keys of the timeline but S work'],
        ],
      },
      {
        title: 'To correct segments, in the timeline',
        keys: [
          ['1 … 9', 'Say what the segment is'],
          ['E', 'Another class, in your own words'],
          ['Backspace', 'Take it back'],
          ['Z', 'Undo the last one'],
          ['N', 'To the least certain segment of all recordings'],
          ['T', 'Train a head on what you said'],
        ],
      },
    ] as { title: string; keys: [string, string][] }[],
  },
  ...input,
  ...result,
  ...timeline,
  ...archive,
  ...corrections,
  ...flags,
  ...problems,
}

export type Words = typeof en
