/** Labels by the keys 1 to 9. */
const KEYS = 9

/**
 * Labels by the keys 1 to 9. A label that has a key keeps it while the page is open.
 * `before`: the keys as they are; empty: there are none yet.
 */
export function keysOf(used: readonly string[], emotions: readonly string[], before: readonly string[]): string[] {
  const own = used.filter((label) => !emotions.includes(label)).sort()
  if (!before.length) {
    if (!own.length) return [...emotions].slice(0, KEYS)
    const inUse = [...emotions.filter((label) => used.includes(label)), ...own]
    return [...inUse, ...emotions.filter((label) => !used.includes(label))].slice(0, KEYS)
  }
  const keys = [...before]
  for (const label of used) {
    if (keys.includes(label)) continue
    const free = keys.findLastIndex((key) => !used.includes(key))
    if (free < 0) break
    keys[free] = label
  }
  return keys
}
