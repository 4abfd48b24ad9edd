/** Files that were dropped or chosen, folders and all. */
import type { Chosen } from '../state/queue.svelte'

const SOUND =
  /\.(3gp|aac|ac3|aif[fc]?|amr|ape|au|avi|caf|dts|flac|flv|gsm|m4[abv]|mka|mkv|mov|mp[234]|mpe?g|mts|oga|ogg|ogv|opus|ra|rm|spx|tta|ts|voc|w64|wav|weba|webm|wm[av]|wv)$/i

/** Whether a file may have sound, by its type or its name. */
export function mayHaveSound(file: { readonly name: string; readonly type: string }): boolean {
  return /^(audio|video)\//.test(file.type) || SOUND.test(file.name)
}

/** What a drop holds; folders are searched through. */
export async function dropped(transfer: DataTransfer): Promise<Chosen[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }))
  const found = await Promise.all(entries.map((entry) => walked(entry)))
  return found.flat()
}

/** What an input holds; with the path within the folder that was chosen. */
export function listed(files: Iterable<File>): Chosen[] {
  return [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name }))
}

async function walked(entry: FileSystemEntry): Promise<Chosen[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ file, name: entry.fullPath.replace(/^\//, '') }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const found: Chosen[] = []
  for (;;) {
    // A reader gives at most a hundred at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (!some.length) return found
    for (const child of some.sort((a, b) => a.name.localeCompare(b.name))) found.push(...(await walked(child)))
  }
}

/** Whether a file may have a picture, by its kind or its name. */
export function mayHavePicture(file: { readonly name: string; readonly type: string }): boolean {
  return /^video\//.test(file.type) || /\.(m4v|mkv|mov|mp4|ogv|webm)$/i.test(file.name)
}
