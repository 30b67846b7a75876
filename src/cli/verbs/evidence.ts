// partywall evidence: what shows a customer that its data is isolated.

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { systemClock } from '../../core/clock.ts'
import { InvalidInputError } from '../../errors.ts'
import type { EvidenceSources } from '../../evidence/evidence.ts'
import type { AttackEvidence, AttackReport } from '../../evidence/facts.ts'
import { htmlOf } from '../../evidence/html.ts'
import { tally } from '../../evidence/report.ts'
import type { SignedEvidence } from '../../evidence/signature.ts'
import { durationMs } from '../duration.ts'
import { fleetTenant, needsFleet, withFleet } from '../fleet-plane.ts'
import { readText } from '../key-set.ts'
import { printPage } from '../print-page.ts'
import { type Terminal, verb } from '../verb.ts'

const formats = ['html', 'pdf', 'json', 'jws'] as const

const written: Readonly<Record<Exclude<(typeof formats)[number], 'pdf'>, (signed: SignedEvidence) => string>> = {
  html: htmlOf,
  json: ({ report, text }) => `${JSON.stringify({ report, signed: text }, undefined, 2)}\n`,
  jws: ({ text }) => `${text}\n`,
}

export const evidence = verb({
  summary: 'Write a signed report of a tenant’s isolation, from what is seen now',
  details:
    'Placement, a neighbour’s attempts at every table, roles, limits, region, backups, moves and a checklist. What could not be looked at has not passed, and says so. Ends with 1 when a statement failed.',
  args: { tenant: 'its id or slug' },
  flags: {
    format: { kind: 'choice', of: formats, about: 'a page, its print with the JWS beside it, JSON, or the bare JWS', default: 'html' },
    since: { kind: 'text', value: 'time', about: 'tell events of so long: 90d unless said', default: '90d' },
    attacks: { kind: 'text', value: 'file', about: 'what the isolation kit tried, as it reported' },
    browser: { kind: 'text', value: 'path', about: 'the Chromium that prints a pdf (default: the one in the PATH)' },
    to: { kind: 'text', value: 'file', about: 'where to (default: evidence-<tenant>-<date>)' },
  },
  examples: ['partywall evidence acme', 'partywall evidence acme --since 365d --attacks kit.json --to acme.html'],
  needs: needsFleet,
  async run({ args, flags: { format, since, attacks, browser, to }, output, terminal }) {
    const sinceMs = durationMs('--since', since)
    const tried = attacks === undefined ? undefined : await readAttacks(terminal, attacks)
    const sources: EvidenceSources = tried === undefined ? {} : { attacks: async () => tried }
    const signed = await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      return await plane.fleet.evidence.report(tenant, { since: new Date(systemClock.now() - sinceMs), actor: plane.actor, sources })
    })
    const { tenant, generatedAt } = signed.report
    const file = resolve(terminal.cwd, to ?? `evidence-${tenant.slug}-${generatedAt.slice(0, 10)}.${format}`)
    if (format === 'pdf') {
      await printPage(htmlOf(signed), file, { browser, path: terminal.env['PATH'] ?? '' })
      // A print cannot be compared with what was signed, byte by byte: what was signed goes with it.
      await writeFile(`${file}.jws`, written.jws(signed), { mode: 0o600 })
    } else await writeFile(file, written[format](signed), { mode: 0o600 })
    const counts = tally(signed.report)
    output.record({ file, ...(format === 'pdf' && { signed: `${file}.jws` }), ...counts })
    return counts.failed > 0 ? 'failed' : 'done'
  },
})

/** Of the kit (`partywall kit run --json`), or a list of one's own in the words of a report. */
async function readAttacks(terminal: Terminal, file: string): Promise<AttackReport> {
  const read = parsed(await readText(terminal, file)) as { readonly [Name in 'at' | 'attempts' | 'results']?: unknown } | undefined
  const at = new Date(typeof read?.at === 'string' ? read.at : Number.NaN)
  const attempts = Array.isArray(read?.results)
    ? (read.results as KitResult[]).map(ofKit)
    : Array.isArray(read?.attempts)
      ? (read.attempts as Partial<AttackEvidence>[])
      : undefined
  const isOne = attempts?.every(({ name, door, outcome }) => typeof name === 'string' && typeof door === 'string' && isOutcome(outcome))
  if (attempts === undefined || isOne !== true || Number.isNaN(at.getTime())) {
    throw new InvalidInputError(
      `${file} is no report of attacks: what \`partywall kit run --json\` prints, or { "at", "attempts": [{ "name", "door", "outcome" }] }.`,
    )
  }
  return { at, attempts: attempts as readonly AttackEvidence[] }
}

interface KitResult {
  readonly attack?: string
  readonly door?: string
  readonly outcome?: string
}

const kitOutcomes: Readonly<Record<string, AttackEvidence['outcome']>> = { held: 'refused', breached: 'leaked', unreached: 'void' }

function ofKit({ attack, door, outcome = '' }: KitResult): Partial<AttackEvidence> {
  const known = kitOutcomes[outcome]
  return {
    ...(attack !== undefined && { name: attack }),
    ...(door !== undefined && { door }),
    ...(known !== undefined && { outcome: known }),
  }
}

function isOutcome(value: unknown): boolean {
  return value === 'refused' || value === 'leaked' || value === 'void'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
