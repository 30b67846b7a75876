// The kit's attacks on files: each held, and each seen to succeed behind files as they should not be.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { SignedFileUrls } from '../../src/resources/files/signed-file-urls.ts'
import { expectIsolated, proveDoors } from '../../src/testing/isolation/expect-isolated.ts'
import { filesProbe } from '../../src/testing/isolation/files-probe.ts'
import { testTenancy } from '../../src/testing/test-tenancy.ts'

const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']

test('nothing gets from one tenant to another through files, and every attack can succeed', async (t) => {
  const migrations = await mkdtemp(join(tmpdir(), 'partywall-probe-'))
  t.after(() => rm(migrations, { recursive: true, force: true }))
  await writeFile(join(migrations, '0001-files.sql'), 'select partywall.create_files();\n')
  const urls = new SignedFileUrls({ keys: [randomBytes(32)], baseUrl: 'https://files.example.com/f' })
  await using kit = await testTenancy({ migrations, binDirectory, tenancy: { files: { store: memoryStore(), urls } } })
  const options = { resources: [filesProbe], only: ['files'] }
  const report = await expectIsolated(kit, options)
  assert.deepEqual(report.breaches, [])
  assert.deepEqual(report.found.resources, ['files'])
  assert.equal(report.tried.attacks, filesProbe.attacks.length)
  const proofs = await proveDoors(kit, options)
  assert.deepEqual(
    proofs.filter(({ outcome }) => outcome !== 'red').map(({ attack, detail }) => `${attack}: ${detail}`),
    [],
  )
  assert.equal(proofs.length, filesProbe.attacks.length)
})
