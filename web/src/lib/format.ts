/** Numbers and times as people read them. */

/** Seconds as `0:03`, `12:34`, `1:02:03`; with `digits` decimals of the second. */
export function clock(seconds: number, digits = 0): string {
  const factor = 10 ** digits
  const all = Math.round(Math.max(0, seconds) * factor)
  const whole = Math.floor(all / factor)
  const rest = digits ? `.${String(all % factor).padStart(digits, '0')}` : ''
  const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const tail = `${String(left).padStart(2, '0')}${rest}`
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`
}

/** A share as `97.3 %`. */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`
}

/** A share as a length in styles. */
export function length(share: number): string {
  return `${(share * 100).toFixed(2)}%`
}

/** A difference of shares as `+12.0 %`. */
export function signed(share: number): string {
  const text = percent(Math.abs(share))
  return Number.parseFloat(text) ? `${share > 0 ? '+' : '−'}${text}` : text
}

/** A value as `0.73`, with two decimals. */
export function decimal(value: number): string {
  const text = Math.abs(value).toFixed(2)
  return value < 0 && Number.parseFloat(text) ? `−${text}` : text
}

/** A difference of values as `+0.12`. */
export function signedDecimal(value: number): string {
  return value > 0 && Number.parseFloat(decimal(value)) ? `+${decimal(value)}` : decimal(value)
}

/** Bytes as `1.95 GB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [count, 0]
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit ? value.toPrecision(3) : value} ${units[unit]}`
}

/** Seconds that something took: `0.4 s`, `12 ms`, `3:20`. */
export function took(seconds: number): string {
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  return clock(seconds)
}

/** A moment in the reader's own time zone. */
export function moment(iso: string, language: string): string {
  return new Date(iso).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
  })
}
