// Chance that can be repeated: the same seed gives the same values, on every machine. Mulberry32, by Tommy Ettinger (public domain).

import { createHash } from 'node:crypto'

export class Chance {
  #state: number

  /** @param words what it is for: each use has a sequence of its own. */
  constructor(seed: number, ...words: readonly string[]) {
    this.#state = createHash('sha256')
      .update(`${seed} ${words.join(' ')}`)
      .digest()
      .readUInt32LE(0)
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % end
  }

  pick<Value>(list: readonly Value[]): Value {
    return list[this.below(list.length)] as Value
  }
}

const fragments = [
  "'",
  '"',
  '--',
  ';',
  '/*',
  '\\',
  '%',
  '_',
  '*',
  '?',
  '#',
  '&',
  '=',
  '[]',
  '{}',
  '..',
  '/',
  '\0',
  '\t',
  '\r\n',
  ' ',
  '\u200b',
  '\u00ad',
  '\u0130',
  '\u212a',
  'null',
  'true',
  '0',
  '-1',
  '$1',
  '\x24{x}',
  '{{x}}',
  'e\u0301',
  '\ufeff',
  '\ud83d\ude00',
]

/** Spellings that a careless comparison, or a careless parser, could take for the text; and some that are nothing at all. */
export function misspelled(chance: Chance, text: string): string {
  const at = chance.below(text.length + 1)
  const fragment = chance.pick(fragments)
  switch (chance.below(9)) {
    case 0:
      return text.slice(0, at) + fragment + text.slice(at)
    case 1:
      return fragment + text
    case 2:
      return text + fragment
    case 3:
      return [...text].map((c) => (chance.below(2) === 0 ? c.toUpperCase() : c)).join('')
    case 4:
      return [...text]
        .map((c) => (/[!-~]/.test(c) && chance.below(3) === 0 ? String.fromCodePoint((c.codePointAt(0) ?? 0) + 0xfee0) : c))
        .join('')
    case 5:
      return text.slice(0, at) + text.slice(at + 1)
    case 6:
      return [...text].map((c) => (chance.below(3) === 0 ? `%${(c.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}` : c)).join('')
    case 7:
      return `${text},${text}`
    default:
      return Array.from({ length: chance.below(40) }, () => chance.pick([...text, ...fragments])).join('')
  }
}
