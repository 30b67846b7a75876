// partywall export and import, as they are typed.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

describe('partywall export and import', () => {
  let made: CliFleet

  before(async () => {
    made = await cliFleet()
    await made.runOver({ env: { ...made.env, PARTYWALL_SERVER_URL: made.catalog.urls.superuser } }, 'server', 'adopt-main')
    for (const slug of ['acme', 'copy']) await made.run('tenant', 'onboard', slug)
    const { id } = await made.json<{ id: string }>('tenant', 'show', 'acme')
    await made.catalog.superuser.query(`insert into app.notes (tenant_id, body) select $1, 'note ' || g from generate_series(1, 5) as g`, [
      id,
    ])
  })
  after(() => made.strike())

  const notes = async (slug: string) => {
    const { id } = await made.json<{ id: string }>('tenant', 'show', slug)
    const rows = await made.catalog.superuser.query<{ body: string }>('select body from app.notes where tenant_id = $1 order by body', [id])
    return rows.map(({ body }) => body)
  }

  test('write files, read them into another tenant, and say so', async () => {
    const exported = await made.run('export', 'acme', '--to', 'out', '--format', 'csv', '--reason', 'request of 3 May')
    assert.equal(exported.code, exitCodes.done)
    assert.match(exported.out.join('\n'), /TABLE +FILE +ROWS +BYTES\nnotes +notes\.csv +6 /)
    assert.match(exported.err, /6 rows, \d+ bytes\. The list of the files: .*manifest\.json/)
    assert.match(await readFile(join(made.directory, 'out', 'notes.csv'), 'utf8'), /^id,body\r\n/)
    // The welcome of the seed is in both, and the seeded id of the copy is another.
    const dry = await made.json<{ outcome: string; written: number }>('import', 'copy', '--from', 'out', '--map-ids', '--dry-run')
    assert.deepEqual([dry.outcome, dry.written, (await notes('copy')).length], ['tried', 6, 1])
    const report = await made.json<{ outcome: string; written: number }>('import', 'copy', '--from', 'out', '--map-ids', '--resumable')
    assert.deepEqual([report.outcome, report.written], ['done', 6])
    assert.deepEqual(
      (await notes('copy')).filter((body) => body !== 'Welcome'),
      await notes('acme').then((all) => all.filter((body) => body !== 'Welcome')),
    )
    const trail = await made.catalog.superuser.query<{ action: string; reason: string | null }>(
      `select action, reason from partywall.audit_trail where action in ('tenant.export', 'tenant.import') order by position`,
    )
    assert.deepEqual(trail[0], { action: 'tenant.export', reason: 'request of 3 May' })
    assert.equal(trail.length, 3)
  })

  test('end with a code of its own when rows are refused, and name each', async () => {
    await made.run('export', 'acme', '--to', 'twice')
    const refused = await made.run('import', 'acme', '--from', 'twice')
    assert.deepEqual([refused.code, exitCodes.refused], [5, 5])
    assert.match(refused.out.join('\n'), /WOULD BE WRITTEN +REFUSED/)
    assert.match(refused.err, /Nothing was written, because rows were refused\. Each refused row, with the reason: .*refused\.jsonl/)
    const lines = (await readFile(join(made.directory, 'twice', 'refused.jsonl'), 'utf8')).trim().split('\n')
    assert.equal(lines.length, 6)
    assert.match(
      lines[0] ?? '',
      /"table":"notes","file":"notes\.jsonl","line":1,"key":\{"id":"[0-9a-f-]{36}"\},"reason":"duplicate key value/,
    )
  })

  test('are refused with what to do, when called wrongly', async () => {
    for (const [argv, code, says] of [
      [['export', 'hooli', '--to', 'x'], exitCodes.failed, /There is no tenant "hooli"/],
      [['export', 'acme', '--to', 'x', '--tables', 'notes,hats'], exitCodes.failed, /has no table hats\. It has notes/],
      [['export', 'acme', '--to', 'x', '--format', 'xlsx'], exitCodes.usage, /jsonl, csv, parquet/],
      [['export', 'acme', '--to', 'x', '--format', 'parquet', '--compress'], exitCodes.usage, /compressed already/],
      [['import', 'acme', '--from', 'nowhere'], exitCodes.failed, /There is no .*nowhere\/manifest\.json/],
      [['import', 'acme', '--from', 'out', '--resumable', '--dry-run'], exitCodes.usage, /choose one/],
    ] as const) {
      const ran = await made.run(...argv)
      assert.match(ran.err, says, argv.join(' '))
      assert.equal(ran.code, code, argv.join(' '))
    }
  })
})
