/** Language and theme: the browser's, until the reader says otherwise; and which side of a baseline is looked at. */
import type { EmotionView } from '../api/types'
import { en } from '../i18n/en'
import { zh } from '../i18n/zh'
import { stored, store } from '../lib/storage'

export type Language = 'en' | 'zh'
export type Theme = 'auto' | 'light' | 'dark'

const THEMES: readonly Theme[] = ['auto', 'light', 'dark']

/** The language for a browser that prefers these. */
export function preferred(languages: readonly string[]): Language {
  const first = languages.find((name) => /^(en|zh)\b/i.test(name))
  return first?.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

class Preferences {
  language = $state<Language>('en')
  theme = $state<Theme>('auto')
  /** Whether results with a baseline are shown relative to it, everywhere, or as they would be without. */
  relative = $state(true)
  #systemDark = $state(false)
  #printing = $state(false)

  readonly words = $derived(this.language === 'zh' ? zh : en)
  readonly dark = $derived(!this.#printing && (this.theme === 'auto' ? this.#systemDark : this.theme === 'dark')) // paper is white

  /** An emotion's name in the reader's language. */
  label(emotion: Pick<EmotionView, 'name' | 'chinese'>): string {
    if (this.language === 'zh') return emotion.chinese
    return emotion.name.charAt(0).toUpperCase() + emotion.name.slice(1)
  }

  /** The side that is looked at; `other` gives the one without the baseline. */
  side<T>(one: T, other: (one: T) => T): T {
    return this.relative ? one : other(one)
  }

  begin(): void {
    const language = stored('language')
    this.language = language === 'en' || language === 'zh' ? language : preferred(navigator.languages)
    this.theme = THEMES.find((theme) => theme === stored('theme')) ?? 'auto'
    const query = matchMedia('(prefers-color-scheme: dark)')
    this.#systemDark = query.matches
    query.addEventListener('change', (event) => (this.#systemDark = event.matches))
    matchMedia('print').addEventListener('change', (event) => (this.#printing = event.matches))
    this.#show()
  }

  switchLanguage(): void {
    this.language = this.language === 'zh' ? 'en' : 'zh'
    store('language', this.language)
    this.#show()
  }

  switchTheme(): void {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] ?? 'auto'
    store('theme', this.theme)
    this.#show()
  }

  #show(): void {
    document.documentElement.lang = this.language === 'zh' ? 'zh-CN' : 'en'
    document.documentElement.dataset.theme = this.theme
  }
}

export const preferences = new Preferences()
