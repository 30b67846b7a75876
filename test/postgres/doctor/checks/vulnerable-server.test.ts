import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vulnerableServer } from '../../../../src/postgres/doctor/checks/vulnerable-server.ts'
import { vulnerabilities, vulnerabilitiesAsOf } from '../../../../src/postgres/doctor/known-vulnerabilities.ts'
import { findAsDoctor, inBrokenDatabase } from '../../../support/doctor-stage.ts'

test('vulnerable-server finds what a release has, and nothing in one that has it repaired', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    const found = async (serverVersion: number, now?: Date) =>
      (await findAsDoctor(superuser, vulnerableServer, { serverVersion, ...(now && { now }) })).map(({ object }) => object)
    for (const sound of [150_018, 160_014, 170_010, 180_004, 190_000]) assert.deepEqual(await found(sound), [], `${sound}`)
    assert.deepEqual(await found(180_003), ['CVE-2026-6473', 'CVE-2026-6637', 'CVE-2026-6475', 'CVE-2026-6478', 'CVE-2026-6638'])
    assert.ok((await found(170_005)).includes('CVE-2025-8713'))
    assert.ok(!(await found(170_006)).includes('CVE-2025-8713'))
    assert.ok((await found(150_003)).includes('CVE-2023-39418'))
    assert.deepEqual(await found(150_017), ['CVE-2026-6473', 'CVE-2026-6637', 'CVE-2026-6475', 'CVE-2026-6478'])
    assert.deepEqual(await found(140_023, new Date('2026-11-11')), [])
    assert.deepEqual(await found(140_023, new Date('2026-11-13')), ['PostgreSQL 14.23'])
    const [first] = await findAsDoctor(superuser, vulnerableServer, { serverVersion: 160_009 })
    assert.match(first!.problem, new RegExp(`PostgreSQL 16.9 has CVE-.*repaired in 16.14; the list is of ${vulnerabilitiesAsOf}\\.$`))
  })
})

test('the list names each once, and nothing that its date could not know', () => {
  const names = vulnerabilities.map(({ cve }) => cve)
  assert.equal(new Set(names).size, names.length)
  for (const name of names) assert.ok(Number(name.slice(4, 8)) <= Number(vulnerabilitiesAsOf.slice(0, 4)), name)
})
