/** The emotions' colours, made to stand out from the surface they are drawn on. */

type Rgb = readonly [number, number, number]

/** The least contrast of graphics (WCAG 2.2, 1.4.11). */
export const GRAPHICS = 3

/** A colour that keeps its hue and has at least this contrast to a background; both `#rrggbb`. */
export function readable(colour: string, background: string, least = GRAPHICS): string {
  const ground = parse(background)
  const towards: Rgb = luminance(ground) > 0.4 ? [0, 0, 0] : [255, 255, 255]
  const own = parse(colour)
  for (let share = 0; share <= 1; share += 0.02) {
    const mixed = own.map((value, index) => Math.round(value + ((towards[index] ?? 0) - value) * share))
    const candidate = format(mixed as unknown as Rgb)
    if (contrast(candidate, background) >= least) return candidate
  }
  return format(towards)
}

/** The contrast of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(parse(one)), luminance(parse(other))]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

/** Black or white, whichever is easier to read on a colour. */
export function ink(colour: string): string {
  return contrast('#000000', colour) > contrast('#ffffff', colour) ? '#000000' : '#ffffff'
}

function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as unknown as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function parse(colour: string): Rgb {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as unknown as Rgb
}

function format(colour: Rgb): string {
  return `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}
