// partywall doctor, as a CI calls it.

import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { DoctorFinding } from '../../src/core/doctor-finding.ts'
import type { DoctorReport } from '../../src/doctor/report.ts'
import { allChecks } from '../../src/postgres/doctor/all-checks.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'
import { finding } from '../support/doctor-findings.ts'
import { runOn } from '../support/terminal.ts'

describe('partywall doctor', () => {
  let cli: CliFleet
  /** The login of a tenant's own, which nothing but this test knows, and a role that it should not be able to become. */
  let login: string
  let staff: string
  let baseline: string
  const only = ['--check', 'app-can-become'] as const

  before(async () => {
    cli = await cliFleet()
    baseline = join(cli.directory, 'partywall.doctor.json')
    staff = `staff_${cli.catalog.name.slice(5)}`
    await cli.fleet.secrets.put('server/main/admin', cli.catalog.urls.superuser)
    await cli.json('tenant', 'onboard', 'umbrella', '--plan', 'business')
    const [row] = await cli.catalog.superuser.query<{ name: string }>(
      `select d.name from partywall.databases as d where d.holds = 'tenant'`,
    )
    login = row!.name
    await cli.catalog.superuser.query(`create role ${staff} nologin; grant ${staff} to "${login}"`)
  })

  after(async () => {
    await cli.catalog.superuser.query(`drop role if exists ${staff}`)
    await cli.strike()
  })

  const doctor = async (...words: readonly string[]) => await cli.run('doctor', ...only, ...words)

  test('ends with 6 when something is found, and says what, what it gives away and how it is mended', async () => {
    const { code, out } = await doctor()
    assert.equal(code, 6)
    const text = out.join('\n')
    assert.match(text, new RegExp(`error: app-can-become: main: ${staff}\n {2}${login} can act as ${staff}\\.\n {2}Gains: `))
    assert.match(text, new RegExp(`Mends it \\(as the administrator, safe\\): revoke ${staff} from ${login};`))
    assert.match(text, /It cannot see:\n[\s\S]*PgBouncer[\s\S]*\n1 check, 1 server, 0 databases: 1 error/)
    assert.equal(out.at(-1), 'Not sound: see above.')
  })

  test('prints one document, SARIF or annotations', async () => {
    const json = JSON.parse((await doctor('--format', 'json')).out.join('\n')) as DoctorReport
    assert.deepEqual([json.verdict, json.findings.map(({ object }) => object)], ['found', [staff]])
    const sarif = JSON.parse((await doctor('--format', 'sarif', '--docs', 'https://docs.example.com/')).out.join('\n'))
    assert.deepEqual([sarif.version, sarif.runs[0].results[0].ruleId], ['2.1.0', 'app-can-become'])
    assert.equal(sarif.runs[0].tool.driver.rules[0].helpUri, 'https://docs.example.com/app-can-become.md')
    assert.equal(sarif.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri, 'partywall.doctor.json')
    const github = await doctor('--format', 'github')
    assert.match(
      github.out.join('\n'),
      new RegExp(`^::error title=app-can-become%3A main%3A ${staff}::${login} can act as ${staff}\\.%0AGains`),
    )
    assert.match(github.err, /Not sound/)
  })

  test('with --json tells each finding in a line, and the verdict in the last', async () => {
    const { code, out } = await doctor('--json')
    const lines = out.map((line) => JSON.parse(line) as { readonly kind: string; readonly object?: string; readonly verdict?: string })
    assert.equal(code, 6)
    assert.deepEqual(
      lines.map(({ kind, object, verdict }) => [kind, object ?? verdict]),
      [
        ['finding', staff],
        ['verdict', 'found'],
      ],
    )
  })

  test('is silent about what the baseline has, until its day', async () => {
    assert.equal((await doctor('--write-baseline')).code, 2, 'a reason must be given')
    const wrote = await doctor('--write-baseline', '--reason', 'Known, ticket 12', '--days', '30')
    assert.deepEqual([wrote.code, wrote.out], [0, ['partywall.doctor.json: 1 more silenced.']])
    const silent = await doctor()
    assert.equal(silent.code, 0)
    assert.match(silent.out.join('\n'), /silenced until \d{4}-\d\d-\d\d: app-can-become:main:staff_\w+\n {2}Known, ticket 12[\s\S]*Sound/)
    const again = await doctor('--write-baseline', '--reason', 'Another')
    assert.deepEqual(again.out, ['partywall.doctor.json: 0 more silenced.'])
    const written = JSON.parse(await readFile(baseline, 'utf8'))
    assert.equal(written.silences[0].reason, 'Known, ticket 12', 'what is silenced already stays as it is')

    await writeFile(baseline, JSON.stringify({ silences: [{ ...written.silences[0], expires: '2020-01-01' }] }))
    const over = await doctor()
    assert.equal(over.code, 6)
    assert.match(over.out.join('\n'), /warning: silence: main: app-can-become:main:staff/)
    await writeFile(baseline, '{')
    assert.match((await doctor()).err, /partywall.doctor.json is not JSON/)
    await rm(baseline)
    assert.equal((await doctor('--baseline', 'other.json')).code, 2, 'a baseline that is named must be there')
  })

  test('looks by the gatekeeper’s login alone, where no other is known', async () => {
    const env = { PARTYWALL_CATALOG_URL: cli.env['PARTYWALL_CATALOG_URL'] }
    const { code, out } = await cli.runOver({ env }, 'doctor', ...only, '--database-only')
    assert.equal(code, 6)
    assert.match(out.join('\n'), /1 other database of the catalog/)
    assert.equal((await cli.runOver({ env }, 'doctor')).code, 2)
    assert.equal((await cli.run('doctor', '--database-only', '--fix')).code, 2)
  })

  test('ends with 3 when something could not be looked at', async () => {
    const env = { PARTYWALL_CATALOG_URL: 'postgres://a:b@127.0.0.1:1/x' }
    const { code, out } = await runOn({ env, cwd: cli.directory }, ['doctor', ...only, '--database-only'])
    assert.equal(code, 3)
    assert.match(out.join('\n'), /Not looked at:\n {2}the server main: .*\n[\s\S]*No verdict/)
  })

  test('mends what is safe, after it has shown it and was told to', async () => {
    const unasked = await doctor('--fix')
    assert.equal(unasked.code, 2, 'there is nobody to ask')
    assert.match(unasked.err, new RegExp(`main, as the administrator: revoke ${staff} from ${login};`))
    assert.equal((await doctor()).code, 6, 'and nothing was changed')
    const { code, out, err } = await doctor('--fix', '--yes')
    assert.match(err, /1 run\. Looking again\./)
    assert.deepEqual([code, out.at(-1)], [0, 'Sound: nothing was found of the level error or above.'])
    const trail = await cli.catalog.superuser.query(
      `select a.details ->> 'sql' as sql from partywall.audit_trail as a where a.action = 'doctor.mend'`,
    )
    assert.deepEqual(trail, [{ sql: `revoke ${staff} from ${login};` }])
    assert.match((await doctor('--fix', '--yes')).err, /nothing that may be mended/)
  })

  test('runs no SQL that a person must decide on, and changes nothing when the database refuses', async () => {
    const at = { server: 'main', database: 'main' }
    const mend = (over: Partial<DoctorFinding>) => cli.fleet.mend(finding({ at, ...over }))
    await assert.rejects(mend({ isFixSafe: false }), { code: 'PW_CONFIGURATION' })
    await assert.rejects(mend({ fix: null }), { code: 'PW_CONFIGURATION' })
    await assert.rejects(mend({ fix: 'create table app.half (a int); select 1 / 0;' }), { code: '22012' })
    const [half] = await cli.catalog.superuser.query<{ there: boolean }>(`select to_regclass('app.half') is not null as there`)
    assert.equal(half!.there, false)
    await mend({ fix: `do $$ begin assert current_user = 'partywall_owner' and current_setting('lock_timeout') = '2s'; end $$` })
    await mend({ at: { server: 'main', database: null }, fix: `do $$ begin assert current_user = 'partywall_owner'; end $$` })
    await mend({
      at: { server: 'main', database: login },
      fixAs: 'administrator',
      fix: `do $$ begin assert current_database() = '${login}'; end $$`,
    })
    await assert.rejects(mend({ at: { server: 'main', database: 'nowhere' }, fixAs: 'administrator' }), { code: 'PW_CONFIGURATION' })
  })

  test('names its checks, and explains one', async () => {
    const { code, out } = await cli.run('doctor', '--list')
    assert.deepEqual([code, out.length], [0, allChecks.length + 1])
    assert.match(out.join('\n'), /app-can-become +error +once a server +The application’s login can act as another role/)
    const said = await cli.run('doctor', '--explain', 'app-can-become')
    assert.match(said.out.join('\n'), /page +docs\/reference\/doctor\/app-can-become\.md/)
    const unknown = await cli.run('doctor', '--explain', 'app-can-becom')
    assert.deepEqual([unknown.code, /no check "app-can-becom"/.test(unknown.err)], [2, true])
    assert.equal((await cli.run('doctor', '--check', 'x')).code, 2)
    assert.equal((await cli.run('doctor', '--docs', 'docs')).code, 2)
  })
})
