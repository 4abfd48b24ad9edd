/** Programs that do what the page did. */

export type Options = Readonly<Record<string, string | number | boolean>>

export function curl(origin: string, name: string, options: Options): string {
  const fields = Object.entries(options).map(([key, value]) => ` \\\n  -F ${key}=${value}`)
  return `curl -F ${shell(`file=@${form(name)}`)}${fields.join('')} \\\n  ${origin}/v1/recognitions`
}

export function python(origin: string, name: string, options: Options): string {
  const given = Object.entries(options).map(([key, value]) => `, ${key}=${literal(value)}`)
  return [
    'from emovox.client import Client',
    '',
    `with Client("${origin}") as client:`,
    `    recognition = client.recognize(${JSON.stringify(name)}${given.join('')})`,
    '',
    'print(recognition.emotion, recognition.confidence)',
    'for segment in recognition.segments or []:',
    '    print(segment.start, segment.end, segment.emotion)',
  ].join('\n')
}

/** A file's name as curl's -F takes it, which else ends at a semicolon or comma. */
function form(name: string): string {
  return /[;,"\\]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name
}

function shell(text: string): string {
  return /^[\w@=./+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function literal(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return JSON.stringify(value)
}
