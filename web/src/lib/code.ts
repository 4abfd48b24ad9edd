/** Programs that do what the page did. */
import type { Said } from './readouts'

export type Options = Readonly<Record<string, string | number | boolean>>

/** What stands in a program for the reader's key. */
export const KEY = 'KEY'

/** For a shell. `keyed`: the service asks for API keys. */
export function curl(origin: string, name: string, options: Options, keyed: boolean): string {
  const fields = Object.entries(options).map(([key, value]) => ` \\\n  -F ${shell(`${key}=${value}`)}`)
  const key = keyed ? `-H 'Authorization: Bearer ${KEY}' \\\n  ` : ''
  return `curl ${key}-F ${shell(`file=@${form(name)}`)}${fields.join('')} \\\n  ${origin}/v1/recognitions`
}

/** For Python. `gives`: what the model gave, which is what is printed. */
export function python(origin: string, name: string, options: Options, keyed: boolean, gives: Said): string {
  const given = Object.entries(options).map(([key, value]) => `, ${key}=${literal(value)}`)
  const printed = (of: string): string[] => [
    ...(gives.emotion ? [`print(${of}.emotion, ${of}.confidence)`] : []),
    ...Object.entries(gives.readouts ?? {}).map(([readout, { values }]) => {
      const item = `${of}.readouts[${JSON.stringify(readout)}]`
      return values ? `print(${item}.values)` : `print(${item}.label, ${item}.confidence)`
    }),
  ]
  return [
    'from emovox.client import Client',
    '',
    `with Client("${origin}"${keyed ? `, key="${KEY}"` : ''}) as client:`,
    `    recognition = client.recognize(${JSON.stringify(name)}${given.join('')})`,
    '',
    ...printed('recognition'),
    ...(options['segments']
      ? [
          'for segment in recognition.segments or []:',
          '    print(segment.start, segment.end)',
          ...printed('segment').map((line) => `    ${line}`),
        ]
      : []),
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
