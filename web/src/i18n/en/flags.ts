/** Flags: named rules that find moments. */
export const flags = {
  flags: {
    title: 'Flags',
    hint: 'A flag finds moments in all recordings: runs of segments in which its rule holds, for as long as it says. It is kept for everybody who uses this service.',
    find: 'Find moments…',
    edit: 'Edit flags…',
    rule: 'Rule',
    example: 'angry >= 60% for 3s',
    name: 'Name',
    exampleName: 'complaint',
    keep: 'Keep',
    count: (count: number) => `${count} ${count === 1 ? 'moment' : 'moments'}`,
    open: (name: string, flag: string, time: string, channel: number | null) =>
      `${flag} at ${time}: open ${name}${channel === null ? '' : `, channel ${channel}`}`,
  },
}
