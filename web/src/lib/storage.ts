/** What the browser keeps for this page, or for this tab as long as it is open; nothing where it refuses. */

export function stored(name: string): string | null {
  try {
    return localStorage.getItem(`emovox.${name}`)
  } catch {
    return null
  }
}

export function store(name: string, value: string): void {
  try {
    localStorage.setItem(`emovox.${name}`, value)
  } catch {
    // a private window: it is asked again next time
  }
}

export function storedInTab(name: string): string | null {
  try {
    return sessionStorage.getItem(`emovox.${name}`)
  } catch {
    return null
  }
}

export function storeInTab(name: string, value: string): void {
  try {
    sessionStorage.setItem(`emovox.${name}`, value)
  } catch {
    // a private window: it is forgotten
  }
}
