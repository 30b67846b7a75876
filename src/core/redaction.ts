// What must not reach a log: by the name of its field, and by its looks (addresses, tokens, keys, passwords in URLs).

/** What a redacted value is replaced by. */
export const redactedText = '[redacted]'

export interface RedactionOptions {
  /**
   * Fields that are personal besides those that everybody has (`email`, `password`, `authorization` …): by their names, whatever is before
   * a dot left out, so that the columns of a mask can be given as they are: `Object.keys(mask)`.
   */
  readonly fields?: readonly string[] | undefined
  /** Fields that are none, though they are named so. */
  readonly keep?: readonly string[] | undefined
  /** More that is known by its looks. Global, and bounded in what they repeat: they run over each line. */
  readonly patterns?: readonly RegExp[] | undefined
}

/** One word of a name, or two that follow each other. */
const personalWords: ReadonlySet<string> = new Set(
  `email mail emails phone telephone mobile fax firstname lastname fullname surname birthday birthdate dob
   iban bic creditcard cardnumber pan cvv cvc ssn passport taxid vatid nationalid
   password passwd pwd passphrase secret secrets token tokens apikey privatekey credential credentials otp cookie cookies authorization`.split(
    /\s+/,
  ),
)

interface Look {
  readonly kind: string
  /** A text with none of these has none; undefined: look always. */
  readonly needles: readonly string[] | undefined
  readonly pattern: RegExp
}

// A text is as long as whoever sends it likes. So each repetition is bounded, or begins only where another one cannot have.
const looks: readonly Look[] = [
  {
    kind: 'private key',
    needles: ['-----BEGIN'],
    pattern: /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]{0,16384}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?/g,
  },
  { kind: 'token', needles: ['eyJ'], pattern: /(?<![\w-])eyJ[\w-]+(?:\.[\w-]*){2,4}/g },
  { kind: 'api key', needles: ['pw_'], pattern: /\bpw_(?:[a-z0-9]{1,8}_)?[A-Za-z0-9]{12}_[A-Za-z0-9]{43}/g },
  {
    kind: 'api key',
    needles: ['AKIA', 'gh', 'k_live_', 'xox'],
    pattern: /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36,255}|[sr]k_live_\w{10,255}|xox[abprs]-[\w-]{10,255})/g,
  },
  { kind: 'credential', needles: ['earer', 'asic', 'EARER', 'ASIC'], pattern: /(?<=\b(?:bearer|basic)\s{1,4})[\w.~+/-]{8,8192}={0,2}/gi },
  { kind: 'password', needles: ['://'], pattern: /(?<=\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"\\]{0,128}:)[^\s/"\\]{1,256}(?=@)/gi },
  {
    kind: 'password',
    needles: ['assw', 'ASSW'],
    pattern: /(?<=\bpassw(?:or)?d\s{0,3}[=:]\s{0,3})(?:'[^'"\\]{0,256}'|[^\s'"\\&;,]{1,256})/gi,
  },
  {
    kind: 'email address',
    needles: ['@'],
    pattern: /[\p{L}\p{N}_.!#$%&'*+/=?^`{|}~-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu,
  },
]

const depthMax = 8
/** Of one value, with all that is in it. */
const partsMax = 1_000

interface Copying {
  left: number
  readonly above: Set<object>
  /** Texts stay as they are. */
  readonly hasTexts: boolean
}

/** @example
 * ```ts
 * const redactor = new Redactor({ fields: ['documents.title'] })
 * redactor.text('from ada@acme.example')          // 'from [redacted]'
 * redactor.value({ title: 'Will', pages: 3 })     // { title: '[redacted]', pages: 3 }
 * ```
 */
export class Redactor {
  readonly #fields: ReadonlySet<string>
  readonly #keep: ReadonlySet<string>
  readonly #looks: readonly Look[]
  /** Names of fields are few, and asked for on each line. */
  readonly #known = new Map<string, boolean>()

  constructor({ fields = [], keep = [], patterns = [] }: RedactionOptions = {}) {
    this.#fields = new Set(fields.map(joinedName))
    this.#keep = new Set(keep.map(joinedName))
    this.#looks = [...looks, ...patterns.map((pattern) => ({ kind: 'pattern', needles: undefined, pattern }))]
  }

  /** The text without whatever looks like an address, a token, a key or a password. */
  text(text: string): string {
    let left = text
    for (const look of this.#looks) {
      if (mayBeIn(left, look)) left = left.replace(look.pattern, redactedText)
    }
    return left
  }

  /** The kinds of what `text` would replace. */
  kindsIn(text: string): readonly string[] {
    const found = this.#looks.filter((look) => mayBeIn(text, look) && text.search(look.pattern) >= 0)
    return [...new Set(found.map(({ kind }) => kind))]
  }

  /** Does a field of this name hold something personal? */
  isPersonal(name: string): boolean {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const isPersonal = this.#decide(name)
    // Keys may be made up by whoever sends them.
    if (this.#known.size < 1_000) this.#known.set(name, isPersonal)
    return isPersonal
  }

  /** A copy without personal data, and no more of it than a log can bear: 8 levels, 1,000 parts. It never throws. */
  value(value: unknown): unknown {
    return this.#copy(value, 0, { left: partsMax, above: new Set(), hasTexts: false })
  }

  /**
   * As it would be in a value that has it under this name; with its texts as they are, for whoever gives the whole to `text()` in the end.
   */
  field(name: string, value: unknown): unknown {
    if (this.#isHidden(name, value)) return redactedText
    return typeof value === 'object' ? this.#copy(value, 0, { left: partsMax, above: new Set(), hasTexts: true }) : value
  }

  /** A copy of an error, of its class, for serializers that look for one. */
  error(error: Error, depth = 0): Error {
    const copy = Object.create(Object.getPrototypeOf(error) as object) as Error
    const set = (name: string, value: unknown, enumerable: boolean): void =>
      void Object.defineProperty(copy, name, { value, enumerable, configurable: true, writable: true })
    for (const [name, value] of Object.entries(this.value({ ...error }) as object)) set(name, value, true)
    const { name, message, stack, cause } = error
    set('name', name, false)
    set('message', this.text(message), false)
    set('stack', stack === undefined ? undefined : this.text(stack), false)
    if (cause !== undefined)
      set('cause', cause instanceof Error && depth < depthMax ? this.error(cause, depth + 1) : this.value(cause), false)
    return copy
  }

  #isHidden(name: string, value: unknown): boolean {
    return value != null && typeof value !== 'boolean' && this.isPersonal(name)
  }

  #decide(name: string): boolean {
    const joined = joinedName(name)
    if (this.#keep.has(joined)) return false
    if (this.#fields.has(joined)) return true
    const words = wordsOf(name)
    return words.some((word, i) => personalWords.has(word) || personalWords.has(`${word}${words[i + 1] ?? ''}`))
  }

  #copy(value: unknown, depth: number, state: Copying): unknown {
    if (typeof value === 'string') return state.hasTexts ? value : this.text(value)
    if (typeof value === 'function' || typeof value === 'symbol') return undefined
    if (typeof value === 'bigint') return String(value)
    if (typeof value !== 'object' || value === null || value instanceof Date) return value
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if (depth >= depthMax || state.left <= 0 || state.above.has(value)) return redactedText
    state.above.add(value)
    try {
      return this.#copyInside(value, depth, state)
    } catch {
      // A getter or a toJSON() of somebody's: what it would have said is not known.
      return redactedText
    } finally {
      state.above.delete(value)
    }
  }

  #copyInside(value: object, depth: number, state: Copying): unknown {
    const inner = (item: unknown): unknown => {
      state.left -= 1
      return this.#copy(item, depth + 1, state)
    }
    const { toJSON } = value as { readonly toJSON?: unknown }
    if (typeof toJSON === 'function' && !(value instanceof Error)) return inner(toJSON.call(value))
    if (Array.isArray(value) || value instanceof Set) {
      const items: unknown[] = []
      for (const item of value) if (state.left > 0) items.push(inner(item))
      return items
    }
    const copy: Record<string, unknown> = {}
    for (const [key, item] of value instanceof Map ? value : partsOf(value)) {
      if (state.left <= 0) break
      const name = String(key)
      const kept = this.#isHidden(name, item) ? redactedText : inner(item)
      Object.defineProperty(copy, state.hasTexts ? name : this.text(name), {
        value: kept,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return copy
  }
}

function mayBeIn(text: string, { needles }: Look): boolean {
  return needles === undefined || needles.some((needle) => text.includes(needle))
}

/** Of an error also what is not enumerable. */
function partsOf(value: object): readonly (readonly [string, unknown])[] {
  const own = Object.entries(value)
  if (!(value instanceof Error)) return own
  const { name, message, stack, cause } = value
  return [['type', name], ['message', message], ['stack', stack], ...(cause === undefined ? [] : [['cause', cause] as const]), ...own]
}

/** `documents.bodyText`, `body_text` and `BODY-TEXT` are one name. */
function joinedName(name: string): string {
  return wordsOf(name.slice(name.lastIndexOf('.') + 1)).join('')
}

function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}\d]+/u)
    .filter((word) => word !== '')
}
