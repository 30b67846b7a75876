// Imports by processes that are really killed: around one statement after the other, and gone on with each time.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import type { ImportReport } from '../../../src/portability/import-tenant.ts'
import type { ImportProcess } from '../../support/import-process.ts'
import { type PortabilityStage, portabilityStage } from '../../support/portability-stage.ts'

const program = fileURLToPath(new URL('../../support/import-process.ts', import.meta.url))
const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const line = (value: object) => `${JSON.stringify(value)}\n`

/** Every eleventh person is refused by the database, and its tasks with it; tasks refer to the one after them. */
const people = Array.from({ length: 60 }, (_, n) => line({ id: id(n), name: `n${n}`, age: n % 11 === 0 ? 999 : n })).join('')
const tasks = Array.from({ length: 60 }, (_, n) =>
  line({ id: id(n), title: `t${n}`, person_id: id(n), parent_id: n < 59 ? id(n + 1) : null }),
).join('')
const refusedPeople = [1, 12, 23, 34, 45, 56]

describe('an import that is killed', () => {
  let stage: PortabilityStage

  before(async () => {
    stage = await portabilityStage()
  })
  after(() => stage.strike())

  async function run(task: ImportProcess): Promise<ImportReport | undefined> {
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, errors, [code, signal]] = await Promise.all([
      child.stdout.toArray(),
      child.stderr.toArray(),
      once(child, 'close') as Promise<[number | null, string | null]>,
    ])
    if (signal === 'SIGKILL') return undefined
    assert.equal(code, 0, errors.join(''))
    return JSON.parse(output.join('')) as ImportReport
  }

  const begin = async (name: string, options: object) => {
    const tenant = await stage.fleet.tenant('pooled')
    const from = await stage.written(name, 'jsonl', { people, tasks })
    const task = { migratorUrl: stage.fleet.catalog.urls.migrator, tenant, options: { from, batchRows: 9, ...options } }
    return { tenant, from, task }
  }

  const refused = async (from: string) => (await stage.refusals(from)).map((each) => [each.table, each.line, each.without?.join()])

  const names = async (tenant: PlacedTenant, table: 'people' | 'tasks', column: string) =>
    (
      await stage.fleet.alice<{ value: string }>(
        tenant.placement,
        `select ${column} as value from app.${table} where tenant_id = $1 order by id`,
        [tenant.id],
      )
    ).map(({ value }) => value)

  for (const mapIds of [false, true]) {
    test(`goes on where it was, around every statement: no row is lost, doubled or refused twice${mapIds ? ', and new ids stay the same' : ''}`, async () => {
      const { tenant, from, task } = await begin(`killed-${mapIds}`, { resumable: true, mapIds })
      let report: ImportReport | undefined
      let kills = 0
      for (let turn = 0; report === undefined; turn++) {
        report = await run({ ...task, diesAt: 3 + ((turn * 7) % 31) + turn, hasRun: turn % 2 === 1 })
        if (report === undefined) kills += 1
        assert.ok(turn < 200)
      }
      assert.ok(kills >= 10, `${kills} kills`)
      assert.deepEqual([report.outcome, report.written, report.refused], ['done', 108, 12])
      const good = Array.from({ length: 60 }, (_, n) => n).filter((n) => !refusedPeople.includes(n + 1))
      assert.deepEqual((await names(tenant, 'people', 'name')).sort(), good.map((n) => `n${n}`).sort())
      assert.deepEqual((await names(tenant, 'tasks', 'title')).sort(), good.map((n) => `t${n}`).sort())
      // Whose parent was refused is there without it.
      const orphans = good.filter((n) => refusedPeople.includes(n + 2))
      assert.deepEqual(report.unlinked, orphans.length)
      assert.deepEqual(await refused(from), [
        ...refusedPeople.map((at) => ['people', at, undefined]),
        ...refusedPeople.map((at) => ['tasks', at, undefined]),
        ...orphans.map((n) => ['tasks', n + 1, 'parent_id']),
      ])
      const [linked] = await stage.fleet.alice<{ n: string }>(
        tenant.placement,
        `select count(*) as n from app.tasks as t join app.tasks as p on p.tenant_id = t.tenant_id and p.id = t.parent_id
          where t.tenant_id = $1 and substr(p.title, 2)::int = substr(t.title, 2)::int + 1`,
        [tenant.id],
      )
      assert.equal(Number(linked?.n), good.filter((n) => n < 59).length - orphans.length)
      assert.equal((await names(tenant, 'people', 'id')).includes(id(1)), !mapIds)
      assert.equal((await run({ ...task, diesAt: 0, hasRun: false }))?.wasDone, true)
    })
  }

  test('has written nothing, when it was all or nothing', async () => {
    const { tenant, task } = await begin('atomic', { skipRefused: true })
    for (const diesAt of [5, 12, 30, 60]) {
      assert.equal(await run({ ...task, diesAt, hasRun: true }), undefined)
      assert.deepEqual(await names(tenant, 'people', 'name'), [])
    }
    assert.equal((await run({ ...task, diesAt: 0, hasRun: false }))?.written, 108)
    assert.equal((await run({ ...task, diesAt: 0, hasRun: false }))?.wasDone, true)
    assert.equal((await names(tenant, 'people', 'name')).length, 54)
  })

  test('is gone on with on the terms on which it was begun, where its rows are, by one at a time', async () => {
    const { tenant, from, task } = await begin('terms', { resumable: true })
    assert.equal(await run({ ...task, diesAt: 40, hasRun: false }), undefined)
    const { imports, fleet } = stage
    const options = { ...task.options, resumable: true }
    await assert.rejects(imports.import(tenant.id, { ...options, mode: 'upsert' }), { code: 'PW_INVALID_INPUT', message: /half done here/ })
    await assert.rejects(imports.import(tenant.id, { ...options, resumable: false }), /half done here/)
    const both = await Promise.allSettled([imports.import(tenant.id, options), imports.import(tenant.id, options)])
    const lost = both.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    for (const { reason } of lost) assert.equal(reason.code, 'PW_OPERATION_IN_PROGRESS')
    const done = await imports.import(tenant.id, options)
    assert.deepEqual(
      [done.written, (await names(tenant, 'people', 'name')).length, (await names(tenant, 'tasks', 'title')).length],
      [108, 54, 54],
    )
    await fleet.alice(tenant.placement, 'delete from partywall.imports where tenant_id = $1', [tenant.id])
    await assert.rejects(imports.import(tenant.id, options), /was moved or restored since/)
    await writeFile(join(from, 'import.json'), 'not json')
    await assert.rejects(imports.import(tenant.id, options), /Remove it to begin anew/)
  })
})
