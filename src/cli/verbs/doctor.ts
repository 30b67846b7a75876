// partywall doctor: looks for what lets one tenant reach another, on every server and in every database.

import { systemClock } from '../../core/clock.ts'
import type { DoctorEvent } from '../../core/doctor-event.ts'
import type { DoctorLevel } from '../../core/doctor-finding.ts'
import { collectReport, type DoctorReport, placeText } from '../../doctor/report.ts'
import type { WrittenSilence } from '../../doctor/silences.ts'
import { ConfigurationError } from '../../errors.ts'
import { ControlPool } from '../../postgres/control-pool.ts'
import { chooseChecks } from '../../postgres/doctor/choose-checks.ts'
import { examineCatalog } from '../../postgres/doctor/fleet-doctor.ts'
import { needsCatalog } from '../control-plane.ts'
import { readBaseline, writeBaseline } from '../doctor-baseline.ts'
import { applyFixes } from '../doctor-fixes.ts'
import { tellReport } from '../doctor-output.ts'
import type { Outcome } from '../exit-codes.ts'
import { type FleetPlane, withFleet } from '../fleet-plane.ts'
import type { Output } from '../output.ts'
import type { Progress } from '../progress.ts'
import { readSettings } from '../settings.ts'
import { type Terminal, verb } from '../verb.ts'

const outcomes: Readonly<Record<DoctorReport['verdict'], Outcome>> = { sound: 'done', found: 'found', incomplete: 'partly' }

const levelFlag = {
  kind: 'choice',
  of: ['error', 'warning', 'note'],
  about: 'from which on a finding counts against the verdict',
  default: 'error',
} as const

export const doctor = verb({
  summary: 'Look for what lets one tenant reach another',
  details:
    'It reads catalogs, as a role that may read no tenant’s row. It ends with 6 when something was found, with 3 when not all could be looked at, and with 1 when it could not look.',
  flags: {
    databaseOnly: { kind: 'switch', about: 'the catalog’s own database and its server alone, by the gatekeeper’s login' },
    placements: { kind: 'switch', about: 'compare each tenant’s place with the catalog too' },
    check: { kind: 'list', value: 'names', about: 'only these checks' },
    level: levelFlag,
    format: { kind: 'choice', of: ['text', 'json', 'sarif', 'github'], about: 'how the report is printed', default: 'text' },
    docs: { kind: 'text', value: 'url', about: 'where the pages of the checks are read, for SARIF’s helpUri' },
    baseline: { kind: 'text', value: 'file', about: 'what is known and silenced; partywall.doctor.json, if it is there' },
    writeBaseline: { kind: 'switch', about: 'silence all that is found, with --reason' },
    reason: { kind: 'text', value: 'why', about: 'kept with what --write-baseline silences' },
    days: { kind: 'number', about: 'how long that stays silent', min: 1, max: 366, default: 90 },
    fix: { kind: 'switch', about: 'show the SQL that may be run without thinking, ask, run it, and look again' },
    yes: { kind: 'switch', about: 'run it without asking' },
    atOnce: { kind: 'number', about: 'databases looked at side by side', min: 1, max: 16, default: 4 },
    list: { kind: 'switch', about: 'name all checks, and look at nothing' },
    explain: { kind: 'text', value: 'check', about: 'say what a check is about, and look at nothing' },
  },
  examples: [
    'partywall doctor',
    'partywall doctor --format github --level warning',
    'partywall doctor --database-only --format sarif',
    'partywall doctor --check app-can-become --fix',
    'partywall doctor --write-baseline --reason "Known when we adopted partywall"',
    'partywall doctor --explain app-can-become',
  ],
  needs: `${needsCatalog}; for more than --database-only also PARTYWALL_ADMIN_URL and the secrets of the fleet`,
  async run({ flags, output, progress, terminal, signal }) {
    if (flags.list) return await list(output)
    if (flags.explain !== undefined) return explain(output, flags.explain)
    if (flags.writeBaseline && flags.reason === undefined) throw new ConfigurationError('--write-baseline needs --reason: why may it stay?')
    if (flags.fix && flags.databaseOnly) throw new ConfigurationError('--fix needs the fleet’s logins: call it without --database-only.')
    if (flags.docs !== undefined && !(URL.canParse(flags.docs) && flags.docs.endsWith('/'))) {
      throw new ConfigurationError('--docs must be an absolute address that ends with /.')
    }
    const baseline = await readBaseline(terminal.cwd, flags.baseline, flags.baseline !== undefined && !flags.writeBaseline)
    // What is wrong with the call is said before anything is opened.
    chooseChecks(flags.check)
    const { check: checks, placements, atOnce, level } = flags
    const judged = { output, progress, silences: baseline.silences, level: level as DoctorLevel }
    const look = flags.databaseOnly
      ? () => withGatekeeper(terminal, (gatekeeper) => judge(examineCatalog(gatekeeper, { checks, signal }), judged))
      : () =>
          withFleet(terminal, async (plane) => {
            const examine = (say: Output | undefined): Promise<DoctorReport> =>
              judge(plane.fleet.doctor({ checks, placements, atOnce, signal }), { ...judged, output: say })
            return flags.fix ? await mended({ terminal, plane, examine, output, isAgreed: flags.yes }) : await examine(output)
          })
    const report = await look()
    progress.finish()
    if (flags.writeBaseline) {
      const count = await writeBaseline(baseline, report, { reason: flags.reason ?? '', days: flags.days })
      output.lines([`${baseline.name}: ${count} more silenced.`], { kind: 'baseline', file: baseline.name, silenced: count })
      return 'done'
    }
    tellReport(report, { terminal, output, format: flags.format, baseline: baseline.name, docs: flags.docs })
    return outcomes[report.verdict]
  },
})

interface Judged {
  /** With --json each finding is a line as soon as it is there. Undefined for a look that is not told. */
  readonly output: Output | undefined
  readonly progress: Progress
  readonly silences: readonly WrittenSilence[]
  readonly level: DoctorLevel
}

async function judge(events: AsyncIterable<DoctorEvent>, { output, progress, silences, level }: Judged): Promise<DoctorReport> {
  const told = output?.isJson === true ? events : counted(events, progress)
  return await collectReport(told, {
    silences,
    level,
    now: new Date(systemClock.now()),
    onFinding: (finding, silence) => {
      if (output?.isJson === true) output.record({ kind: 'finding', ...finding, silence: silence ?? null })
    },
  })
}

/** Shows where it is. With --json the findings themselves show it. */
async function* counted(events: AsyncIterable<DoctorEvent>, progress: Progress): AsyncGenerator<DoctorEvent, void> {
  progress.start(0, 'doctor')
  let done = 0
  for await (const event of events) {
    if (event.kind === 'looked') {
      done += 1
      progress.advance({ done, note: placeText(event.at) })
    }
    yield event
  }
}

interface Mending {
  readonly terminal: Terminal
  readonly plane: FleetPlane
  readonly examine: (say: Output | undefined) => Promise<DoctorReport>
  readonly output: Output
  readonly isAgreed: boolean
}

/** What is reported is what is left: mending one thing may have uncovered another. */
async function mended({ terminal, plane, examine, output, isAgreed }: Mending): Promise<DoctorReport> {
  const before = await examine(undefined)
  const { done, failed } = await applyFixes(terminal, plane, before.findings, isAgreed)
  if (done + failed > 0) terminal.note(`${done} run${failed === 0 ? '' : `, ${failed} refused`}. Looking again.`)
  return await examine(output)
}

async function withGatekeeper<T>(terminal: Terminal, fn: (gatekeeper: ControlPool) => Promise<T>): Promise<T> {
  const { catalog } = await readSettings(terminal)
  const gatekeeper = new ControlPool({ connectionString: catalog, applicationName: 'partywall cli', statementTimeoutMs: 60_000 })
  try {
    return await fn(gatekeeper)
  } finally {
    await gatekeeper.close()
  }
}

async function list(output: Output): Promise<undefined> {
  const rows = chooseChecks().map(({ stem, level, scope, title }) => ({ check: stem, level, scope, title }))
  await output.table(rows, {
    CHECK: ({ check }) => check,
    LEVEL: ({ level }) => level,
    WHERE: ({ scope }) => (scope === 'server' ? 'once a server' : scope === 'catalog' ? 'in the catalog' : 'in each database'),
    TITLE: ({ title }) => title,
  })
}

function explain(output: Output, name: string): undefined {
  const [check] = chooseChecks([name])
  if (check === undefined) return
  const { stem, level, scope, title, gain, asOf } = check
  output.record({ check: stem, level, scope, title, gain, ...(asOf !== undefined && { asOf }), page: `docs/reference/doctor/${stem}.md` })
}
