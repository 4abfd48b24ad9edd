/** Keeps the reader's place when what has the focus goes, as a button does that was pressed and is used up. */
export function keepFocus(): void {
  let path: Element[] = [] // from what had the focus to the page
  addEventListener('focusin', (event) => {
    path = []
    for (let one = event.target as Element | null; one; one = one.parentElement) path.push(one)
  })
  addEventListener('pointerdown', () => (path = []), true)
  const look = (): void => {
    const [last] = path
    if (!last || document.activeElement !== document.body || !gone(last)) return
    const next = path.find(
      (one): one is HTMLElement => !gone(one) && one.matches('section, article, main, [tabindex="-1"]'),
    )
    path = []
    if (next && !next.hasAttribute('tabindex')) next.tabIndex = -1
    next?.focus({ preventScroll: true })
  }
  new MutationObserver(look).observe(document.body, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ['disabled'],
  })
}

function gone(one: Element): boolean {
  return !one.isConnected || one.matches(':disabled') || !one.checkVisibility()
}
