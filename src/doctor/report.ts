// What the doctor found, as a whole: the verdict, and what it rests on.

import type { CheckFacts, DoctorEvent, Unseen } from '../core/doctor-event.ts'
import type { DoctorFinding, DoctorLevel, DoctorPlace } from '../core/doctor-finding.ts'
import { checkFailed } from '../core/doctor-own-rules.ts'
import { flawFinding, flawOf, type Silence, type WrittenSilence } from './silences.ts'

export interface DoctorReport {
  /** When it began, as ISO 8601 has it. */
  readonly at: string
  /**
   * `sound`: all was looked at, and nothing at or above the level was found that is not silenced. `found`: something was. `incomplete`:
   * nothing was, and something that should have been looked at was not.
   */
  readonly verdict: 'sound' | 'found' | 'incomplete'
  /** From which level on a finding counts against the verdict. */
  readonly level: DoctorLevel
  /** Of what is not silenced. */
  readonly counts: Readonly<Record<DoctorLevel, number>>
  /** The worst first. */
  readonly findings: readonly DoctorFinding[]
  readonly silenced: readonly SilencedFinding[]
  /** So many findings more than are kept. They count. */
  readonly left: number
  readonly looked: { readonly servers: number; readonly databases: number }
  readonly checks: readonly CheckFacts[]
  readonly unseen: readonly Unseen[]
}

export interface SilencedFinding {
  readonly finding: DoctorFinding
  readonly silence: Silence
}

export interface ReportOptions {
  readonly silences: readonly WrittenSilence[]
  readonly now: Date
  /** Default `error`. */
  readonly level?: DoctorLevel | undefined
  /** Findings kept, at most: the worst are not preferred. Default 10,000. */
  readonly keptMax?: number | undefined
  /** Told of each finding as it comes, with the silence that holds for it, if any. */
  readonly onFinding?: ((finding: DoctorFinding, silence: Silence | undefined) => void) | undefined
}

/** The levels, the worst first. */
export const levels: readonly DoctorLevel[] = ['error', 'warning', 'note']

/** Is a level as bad as another, or worse? */
export function isAtLeast(level: DoctorLevel, least: DoctorLevel): boolean {
  return levels.indexOf(level) <= levels.indexOf(least)
}

/** Reads all that the doctor tells, and judges it. */
export async function collectReport(events: AsyncIterable<DoctorEvent>, options: ReportOptions): Promise<DoctorReport> {
  const { now, level = 'error' } = options
  const book = new Book(options)
  for await (const event of events) book.note(event)
  book.judgeSilences()
  const counts = book.counts
  const isFound = levels.some((each) => isAtLeast(each, level) && counts[each] > 0)
  const isIncomplete = book.unseen.some(({ kind }) => kind === 'gap')
  return {
    at: now.toISOString(),
    verdict: isFound ? 'found' : isIncomplete ? 'incomplete' : 'sound',
    level,
    counts,
    findings: book.findings.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level)),
    silenced: book.silenced,
    left: book.left,
    looked: book.looked,
    checks: book.checks,
    unseen: book.unseen,
  }
}

const keptByDefault = 10_000

class Book {
  readonly counts = { error: 0, warning: 0, note: 0 }
  readonly findings: DoctorFinding[] = []
  readonly silenced: SilencedFinding[] = []
  readonly unseen: Unseen[] = []
  readonly looked = { servers: 0, databases: 0 }
  checks: readonly CheckFacts[] = []
  left = 0
  readonly #options: ReportOptions
  readonly #holding: ReadonlyMap<string, Silence>
  readonly #used = new Set<string>()
  readonly #places = new Set<string>()
  /** Checks that could not be made, by place: that they found nothing says nothing. */
  readonly #failed = new Set<string>()

  constructor(options: ReportOptions) {
    this.#options = options
    const holding = options.silences.filter((silence): silence is Silence => flawOf(silence, options.now) === undefined)
    this.#holding = new Map(holding.map((silence) => [silence.key, silence]))
  }

  note(event: DoctorEvent): void {
    switch (event.kind) {
      case 'begin':
        this.checks = event.checks
        return
      case 'unseen':
        this.unseen.push(event.unseen)
        return
      case 'looked':
        this.#places.add(placeText(event.at))
        if (event.at.database === null) this.looked.servers += 1
        else this.looked.databases += 1
        return
      case 'finding':
        this.#find(event.finding)
    }
  }

  /** A silence that does not hold is a finding; so is one that has nothing to silence any more, where that is known. */
  judgeSilences(): void {
    const { silences, now } = this.#options
    const ran = new Set(this.checks.map(({ stem }) => stem))
    for (const silence of silences) {
      const { key } = silence
      const [check = '', place = ''] = key.split(':')
      const flaw = flawOf(silence, now)
      if (flaw !== undefined) this.#find(flawFinding(flaw, placeOf(place)))
      else if (!this.#used.has(key) && ran.has(check) && this.#places.has(place) && !this.#failed.has(`${place} ${check}`)) {
        const problem = `The silence of ${key} silences nothing: the finding is gone. Take it out of the baseline.`
        this.#find(flawFinding({ key, level: 'note', problem }, placeOf(place)))
      }
    }
  }

  #find(finding: DoctorFinding): void {
    if (finding.check === checkFailed.stem) this.#failed.add(`${placeText(finding.at)} ${finding.object}`)
    const silence = this.#holding.get(finding.key)
    if (silence !== undefined) this.#used.add(silence.key)
    else this.counts[finding.level] += 1
    this.#options.onFinding?.(finding, silence)
    if (this.findings.length + this.silenced.length >= (this.#options.keptMax ?? keptByDefault)) this.left += 1
    else if (silence === undefined) this.findings.push(finding)
    else this.silenced.push({ finding, silence })
  }
}

/** As in a finding's key. */
export function placeText({ server, database }: DoctorPlace): string {
  return database === null ? server : `${server}/${database}`
}

function placeOf(text: string): DoctorPlace {
  const [server = '', database = null] = text.split('/')
  return { server, database }
}
