// What an import refuses, how it says so, and that nothing else is touched.

import assert from 'node:assert/strict'
import { appendFile, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import { AbortedError, InvalidInputError } from '../../../src/errors.ts'
import { type PortabilityStage, portabilityStage } from '../../support/portability-stage.ts'

const person = (id: number) => `00000000-0000-7000-8000-${String(id).padStart(12, '0')}`
const line = (value: object) => `${JSON.stringify(value)}\n`

describe('an import', () => {
  let stage: PortabilityStage

  before(async () => {
    stage = await portabilityStage()
  })
  after(() => stage.strike())

  const count = async (tenant: { id: string; placement: { server: string; database: string; schema: string } }, table: string) =>
    Number(
      (
        await stage.fleet.alice<{ n: string }>(
          tenant.placement,
          `select count(*) as n from ${tenant.placement.schema}.${table} where tenant_id = $1`,
          [tenant.id],
        )
      )[0]!.n,
    )

  /** Ten people; what is wrong with some of them is in their names. */
  const people = [
    line({ id: person(1), name: 'good 1' }),
    line({ id: person(2), name: 'x'.repeat(61) }),
    line({ id: person(3), name: 'good 3', age: 151 }),
    line({ id: person(4), name: 'good 1' }),
    line({ id: person(5), name: 'mood', mood: 'angry' }),
    line({ id: person(6), name: 'unknown', hat: 'red' }),
    line({ id: person(7) }),
    'not json\n',
    line({ id: 'not a uuid', name: 'no uuid' }),
    line({ id: person(10), name: 'email', email: 'nobody' }),
    line({ id: person(11), name: 'country', country: 'atlantis' }),
    line({ id: person(12), name: 'date', born: '2026-02-30' }),
    line({ id: person(13), name: 'computed', shout: 'X' }),
    line({ id: person(14), name: 'last', tags: ['a', null], body: { n: 1 }, country: 'fr', photo: 'AP8Q' }),
  ].join('')
  const reasons: readonly (readonly [number, RegExp, string?])[] = [
    [2, /value too long for type character varying\(60\)/, '22001'],
    [3, /people_age_check/, '23514'],
    [4, /people_name_key/, '23505'],
    [5, /invalid input value for enum mood: "angry"/, '22P02'],
    [6, /people has no column "hat"/],
    [7, /name is missing, and must have a value/],
    [8, /The line is not JSON/],
    [9, /invalid input syntax for type uuid/, '22P02'],
    [10, /email_check/, '23514'],
    [11, /people_country_fkey/, '23503'],
    [12, /date\/time field value out of range/, '22008'],
    [13, /shout is computed by the database/],
  ]

  for (const isolation of isolations) {
    test(`${isolation}: names every refused row with its line, key and reason, and writes nothing; or all the others, when asked`, async () => {
      const { fleet, imports, written, refusals, fill, rowsOf } = stage
      const tenant = await fleet.tenant(isolation)
      const beside = await fill(await fleet.tenant(isolation), 'beside')
      const before = await rowsOf(beside)
      const from = await written(`refused-${isolation}`, 'jsonl', { people })
      const refused = await imports.import(tenant.id, { from })
      assert.deepEqual([refused.outcome, refused.written, refused.refused, await count(tenant, 'people')], ['undone', 0, reasons.length, 0])
      for (const options of [{ skipRefused: true, dryRun: true }, { skipRefused: true }]) {
        const report = await imports.import(tenant.id, { from, ...options })
        assert.deepEqual([report.outcome, report.written, report.refused], [options.dryRun === true ? 'tried' : 'done', 2, reasons.length])
        assert.equal(await count(tenant, 'people'), options.dryRun === true ? 0 : 2)
        const named = await refusals(from)
        assert.deepEqual(
          named.map((each) => [each.table, each.file, each.line, each.sqlstate]),
          reasons.map(([at, , sqlstate]) => ['people', 'people.jsonl', at, sqlstate]),
        )
        for (const [i, [at, reason]] of reasons.entries()) assert.match(named[i]!.reason, reason, `line ${at}`)
        assert.deepEqual(named[0]!.key, { id: person(2) })
        assert.equal(named[1]!.constraint, 'people_age_check')
      }
      assert.deepEqual(await rowsOf(beside), before)
      const names = await fleet.alice<{ name: string }>(
        tenant.placement,
        `select name from ${tenant.placement.schema}.people where tenant_id = $1 order by name`,
        [tenant.id],
      )
      assert.deepEqual(
        names.map(({ name }) => name),
        ['good 1', 'last'],
      )
    })
  }

  test('refuses a row that names another tenant, and takes one that names this', async () => {
    const { fleet, imports, written, refusals, fill, rowsOf } = stage
    const [tenant, other] = [await fleet.tenant('pooled'), await fill(await fleet.tenant('pooled'), 'other')]
    const before = await rowsOf(other)
    const rows = [
      { tenant_id: other.id, id: person(1), name: 'stolen' },
      { tenant_id: tenant.id, id: person(2), name: 'ours' },
      { tenant_id: null, id: person(3), name: 'nobody’s' },
      { tenant_id: tenant.id.toUpperCase(), id: person(4), name: 'ours too' },
    ]
    const from = await written('named', 'jsonl', { people: rows.map(line).join('') })
    const report = await imports.import(tenant.id, { from, skipRefused: true })
    assert.deepEqual(
      [report.written, (await refusals(from)).map((each) => [each.line, each.reason])],
      [2, [1, 3].map((at) => [at, 'Its tenant_id names another tenant.'])],
    )
    assert.deepEqual(await rowsOf(other), before)
    assert.equal(await count(tenant, 'people'), 2)
  })

  test('cannot change another tenant’s row by its key, whatever the mode', async () => {
    const { fleet, imports, written, fill, rowsOf } = stage
    const [tenant, other] = [await fleet.tenant('pooled'), await fill(await fleet.tenant('pooled'), 'other')]
    const before = await rowsOf(other)
    const [theirs] = await fleet.alice<{ id: string }>(other.placement, 'select id from app.people where tenant_id = $1 limit 1', [
      other.id,
    ])
    for (const mode of ['insert', 'upsert'] as const) {
      const from = await written(`theirs-${mode}`, 'jsonl', { people: line({ id: theirs!.id, name: `ours by ${mode}` }) })
      const report = await imports.import(tenant.id, { from, mode })
      // The same id is another row: keys begin with the tenant.
      assert.deepEqual([report.outcome, await rowsOf(other)], ['done', before])
    }
    assert.equal(await count(tenant, 'people'), 1)
  })

  test('changes rows that are there when it is asked to, and refuses them when it is not', async () => {
    const { fleet, imports, written, refusals } = stage
    const tenant = await fleet.tenant('pooled')
    const tasks = [
      { id: person(2), title: 'child', parent_id: person(1) },
      { id: person(1), title: 'parent', parent_id: null },
    ]
    const first = await written('upsert-1', 'jsonl', { tasks: tasks.map(line).join('') })
    await imports.import(tenant.id, { from: first })
    const changed = [
      { id: person(1), title: 'was parent', parent_id: person(2) },
      { id: person(2), title: 'was child', parent_id: null },
      { id: person(3), title: 'new', parent_id: person(1) },
    ]
    const from = await written('upsert-2', 'jsonl', { tasks: changed.map(line).join('') })
    assert.deepEqual(
      [(await imports.import(tenant.id, { from })).outcome, (await refusals(from)).map((each) => each.sqlstate)],
      ['undone', ['23505', '23505']],
    )
    assert.equal((await imports.import(tenant.id, { from, mode: 'upsert' })).written, 3)
    const rows = await fleet.alice(tenant.placement, 'select id, title, parent_id from app.tasks where tenant_id = $1 order by id', [
      tenant.id,
    ])
    assert.deepEqual(rows, changed)
  })

  test('leaves a row alone that was there before, when the one with its key is refused', async () => {
    const { fleet, imports, written, refusals } = stage
    const tenant = await fleet.tenant('pooled')
    await imports.import(tenant.id, { from: await written('alone-1', 'jsonl', { tasks: line({ id: person(1), title: 'here' }) }) })
    const rows = [
      { id: person(1), title: 'refused', parent_id: person(2) },
      { id: person(2), title: 'new', parent_id: person(1) },
    ]
    const from = await written('alone-2', 'jsonl', { tasks: rows.map(line).join('') })
    const report = await imports.import(tenant.id, { from, skipRefused: true })
    assert.deepEqual([report.written, (await refusals(from)).map((each) => each.line)], [1, [1]])
    assert.deepEqual(
      await fleet.alice(tenant.placement, 'select title, parent_id from app.tasks where tenant_id = $1 order by id', [tenant.id]),
      [
        { title: 'here', parent_id: null },
        { title: 'new', parent_id: person(1) },
      ],
    )
  })

  test('gives new ids, with every reference after them, and the same ones when it is called again', async () => {
    const { fleet, exports, imports, fill, rowsOf, path } = stage
    const source = await fill(await fleet.tenant('pooled'), 'mapped')
    const to = path('mapped')
    await exports.export(source.id, { to })
    const before = await rowsOf(source)
    const report = await imports.import(source.id, { from: to, mapIds: true, skipRefused: true })
    // Names of people and numbers of events are unique, and stay what they are.
    const [people, tasks, teams] = ['people', 'tasks', 'teams'].map((name) => report.tables.find(({ table }) => table === name))
    assert.deepEqual([people?.written, tasks?.refused, teams?.written], [0, 33, 1])
    const copy = await fleet.tenant('schema')
    await imports.import(copy.id, { from: to, mapIds: true, reportTo: path('mapped-copy') })
    const ids = async (tenant: typeof source) =>
      await fleet.alice<{ id: string; parent: string | null; owner: string; passport: string | null }>(
        tenant.placement,
        `select t.id, t.parent_id as parent, p.name as owner, s.number as passport
           from ${tenant.placement.schema}.tasks as t
           join ${tenant.placement.schema}.people as p on p.tenant_id = t.tenant_id and p.id = t.person_id
           left join ${tenant.placement.schema}.passports as s on s.tenant_id = p.tenant_id and s.person_id = p.id
          where t.tenant_id = $1 order by p.name`,
        [tenant.id],
      )
    const [was, is] = [await ids(source), await ids(copy)]
    const translated = new Map(was.map(({ id }, i) => [id, is[i]!.id]))
    assert.ok(was.every(({ id }) => translated.get(id) !== id))
    assert.deepEqual(
      was.map((row) => ({ ...row, id: translated.get(row.id), parent: row.parent && translated.get(row.parent) })),
      is,
    )
    assert.deepEqual((await rowsOf(source))['people'], before['people'])
  })

  test('a reference that is refused leaves its row without it, and says so; all or nothing leaves nothing', async () => {
    const { fleet, imports, written, refusals } = stage
    const tenant = await fleet.tenant('pooled')
    const rows = [
      { id: person(1), title: 'child of nobody', parent_id: person(99) },
      { id: person(2), title: 'child', parent_id: person(1) },
    ]
    const from = await written('unlinked', 'jsonl', { tasks: rows.map(line).join('') })
    assert.equal((await imports.import(tenant.id, { from })).outcome, 'undone')
    assert.equal(await count(tenant, 'tasks'), 0)
    const report = await imports.import(tenant.id, { from, skipRefused: true })
    assert.deepEqual([report.written, report.refused, report.unlinked], [2, 0, 1])
    assert.deepEqual(
      (await refusals(from)).map((each) => [each.line, each.constraint, each.without]),
      [[1, 'tasks_parent_fkey', ['parent_id']]],
    )
  })

  test('believes no file that is not as its manifest says, and no manifest that is none', async () => {
    const { fleet, imports, written, path } = stage
    const tenant = await fleet.tenant('pooled')
    const good = line({ id: person(1), name: 'good' })
    const refused = async (from: string, message: RegExp) =>
      await assert.rejects(
        imports.import(tenant.id, { from }),
        (error: Error) => error instanceof InvalidInputError && message.test(error.message),
      )
    await refused(path('nowhere'), /There is no .*manifest\.json/)
    const longer = await written('longer', 'jsonl', { people: good, tasks: '' })
    await appendFile(join(longer, 'people.jsonl'), good)
    await refused(longer, /people\.jsonl has \d+ bytes, not \d+/)
    await rm(join(longer, 'tasks.jsonl'))
    await refused(longer, /bytes, not .*; tasks\.jsonl is missing/)
    const other = await written('other', 'jsonl', { people: good })
    await writeFile(join(other, 'people.jsonl'), good.replace('good', 'evil'))
    await refused(other, /people\.jsonl has another sha256/)
    const linked = await written('linked', 'jsonl', { people: good })
    await rm(join(linked, 'people.jsonl'))
    await symlink(join(other, 'people.jsonl'), join(linked, 'people.jsonl'))
    await refused(linked, /people\.jsonl is no file/)
    await refused(await written('stranger', 'jsonl', { people: good, strangers: '' }), /no table "strangers"/)
    const changed = async (name: string, change: (manifest: Record<string, never>) => object) => {
      const from = await written(name, 'jsonl', { people: good })
      const manifest = JSON.parse(await readFile(join(from, 'manifest.json'), 'utf8'))
      await writeFile(join(from, 'manifest.json'), JSON.stringify(change(manifest)))
      return from
    }
    const file = (value: unknown) => (manifest: { tables?: object[] }) => ({
      ...manifest,
      tables: [{ ...manifest.tables?.[0], ...(value as object) }],
    })
    await refused(await changed('version', (manifest) => ({ ...manifest, version: 1 })), /its version is 1; this partywall reads 2/)
    await refused(await changed('rows', file({ rows: 2 })), /people\.jsonl has 1 rows, and the manifest says 2/)
    await refused(await changed('up', file({ file: '../people.jsonl' })), /not the name of a file beside it/)
    await refused(await changed('hidden', file({ file: '.env' })), /not the name of a file beside it/)
    await refused(await changed('negative', file({ rows: -1 })), /must be whole numbers/)
    await refused(await changed('hash', file({ sha256: 'x' })), /not 64 hexadecimal digits/)
    await refused(
      await changed('twice', (manifest: { tables?: object[] }) => ({ ...manifest, tables: [manifest.tables?.[0], manifest.tables?.[0]] })),
      /is there twice/,
    )
    await refused(await changed('format', (manifest) => ({ ...manifest, format: 'xlsx' })), /its format is "xlsx"/)
    assert.equal(await count(tenant, 'people'), 0)
  })

  test('a CSV whose columns are not the table’s is refused before anything is written; a row that is too large is one refused row', async () => {
    const { fleet, imports, written, refusals } = stage
    const tenant = await fleet.tenant('pooled')
    const wrong = await written('hat', 'csv', { people: `id,name,hat\n${person(1)},a,red\n`, tasks: `id\n${person(1)}\n` })
    await assert.rejects(imports.import(tenant.id, { from: wrong, skipRefused: true }), {
      code: 'PW_INVALID_INPUT',
      message: /people\.csv: people has no column "hat"\. tasks\.csv: title is missing/,
    })
    const from = await written('large', 'csv', {
      people: `id,name,email\n${person(1)},small,\n${person(2)},${'x'.repeat(2_000)},\n${person(3)},"after, it",a@b\n`,
    })
    const report = await imports.import(tenant.id, { from, skipRefused: true, lineBytesMax: 1_000 })
    assert.deepEqual(
      [report.written, (await refusals(from)).map((each) => [each.line, each.reason])],
      [2, [[3, 'It is longer than 1000 characters.']]],
    )
  })

  test('waits for no move and no lock: a tenant that is being moved or is read-only takes nothing', async () => {
    const { fleet, imports, written } = stage
    const from = await written('gate', 'jsonl', { people: line({ id: person(1), name: 'a' }) })
    for (const [state, code] of [
      ['moving', 'PW_TENANT_MOVING'],
      ['moved', 'PW_TENANT_MOVING'],
      ['read_only', 'PW_TENANT_READ_ONLY'],
    ] as const) {
      const tenant = await fleet.tenant('pooled')
      await fleet.adapter(tenant).setGate(tenant, state)
      await assert.rejects(imports.import(tenant.id, { from }), { code })
      assert.equal(await count(tenant, 'people'), 0)
    }
    const suspended = await fleet.tenant('pooled')
    await fleet.adapter(suspended).setGate(suspended, 'suspended')
    assert.equal((await imports.import(suspended.id, { from })).written, 1)
    const left = await fleet.alice<{ n: string }>(
      suspended.placement,
      `select count(*) as n from partywall.capabilities where issued_to = 'an operation'`,
    )
    assert.equal(left[0]!.n, '0')
  })

  test('that is stopped has written nothing, and can be called again', async () => {
    const { fleet, imports, written } = stage
    const tenant = await fleet.tenant('pooled')
    const from = await written('stopped', 'jsonl', {
      people: Array.from({ length: 50 }, (_, i) => line({ id: person(i), name: `n${i}` })).join(''),
    })
    const stop = new AbortController()
    await assert.rejects(
      imports.import(tenant.id, { from, batchRows: 10, signal: stop.signal, onProgress: () => stop.abort() }),
      AbortedError,
    )
    assert.equal(await count(tenant, 'people'), 0)
    assert.equal((await imports.import(tenant.id, { from })).written, 50)
  })
})
