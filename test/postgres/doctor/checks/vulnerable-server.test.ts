import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vulnerableServer } from '../../../../src/postgres/doctor/checks/vulnerable-server.ts'
import { vulnerabilities, vulnerabilitiesAsOf } from '../../../../src/postgres/doctor/known-vulnerabilities.ts'
import { findAsDoctor, inBrokenDatabase } from '../../../support/doctor-stage.ts'

test('vulnerable-server finds what a release has, and nothing in one that has it repaired', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    const found = async (serverVersion: number, now = new Date(vulnerabilitiesAsOf)) =>
      (await findAsDoctor(superuser, vulnerableServer, { serverVersion, now })).map(({ object }) => object)
    for (const sound of [150_018, 160_014, 170_010, 180_004, 190_000]) assert.deepEqual(await found(sound), [], `${sound}`)
    assert.deepEqual(await found(180_003), [
      ...['CVE-2026-6473', 'CVE-2026-6637', 'CVE-2026-6475', 'CVE-2026-6478', 'CVE-2026-6472', 'CVE-2026-6479', 'CVE-2026-6638'],
      'CVE-2026-6575',
    ])
    assert.ok((await found(170_005)).includes('CVE-2025-8713'))
    assert.ok(!(await found(170_006)).includes('CVE-2025-8713'))
    assert.ok((await found(150_003)).includes('CVE-2023-39418'))
    assert.deepEqual(await found(150_017), [
      'CVE-2026-6473',
      'CVE-2026-6637',
      'CVE-2026-6475',
      'CVE-2026-6478',
      'CVE-2026-6472',
      'CVE-2026-6479',
    ])
    assert.deepEqual(await found(140_023, new Date('2026-11-11')), [])
    assert.deepEqual(await found(140_023, new Date('2026-11-13')), ['PostgreSQL 14.23'])
    const [first] = await findAsDoctor(superuser, vulnerableServer, { serverVersion: 160_009 })
    assert.match(first!.problem, new RegExp(`PostgreSQL 16.9 has CVE-.*repaired in 16.14; the list is of ${vulnerabilitiesAsOf}\\.$`))
  })
})

test('vulnerable-server says when its list is old, by the clock of the run, and says nothing of a list that is not', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    const after = async (days: number) =>
      await findAsDoctor(superuser, vulnerableServer, {
        serverVersion: 180_004,
        now: new Date(Date.parse(vulnerabilitiesAsOf) + days * 86_400_000),
      })
    assert.deepEqual(await after(100), [])
    const [said, ...others] = await after(101)
    assert.deepEqual([said!.object, said!.level, others], ['list of vulnerabilities', 'note', []])
    assert.match(said!.problem, /101 days ago/)
  })
})

test('the list names each once, and nothing that its date could not know', () => {
  const names = vulnerabilities.map(({ cve }) => cve)
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.ok(Number(name.slice(4, 8)) <= Number(vulnerabilitiesAsOf.slice(0, 4)), name)
})
