import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { AnchorStore } from '../../src/audit/anchor-store.ts'
import { directoryAnchors } from '../../src/audit/directory-anchor-store.ts'
import { type SignedHead, signHead } from '../../src/audit/signed-head.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { ConfigurationError, ObjectStoreError } from '../../src/errors.ts'

const bob = '0198aaaa-0000-7000-8000-00000000000b' as TenantId
const carol = '0198aaaa-0000-7000-8000-00000000000c' as TenantId
const { privateKey, publicKey } = generateKeyPairSync('ed25519')

function head(tenant: TenantId, position: string, hash = 'ab'.repeat(32)): SignedHead {
  return signHead({ v: 1, kind: 'head', tenant, position, hash, at: '2026-01-02T00:00:00.000Z' }, privateKey)
}

async function stage(t: TestContext): Promise<{ path: string; anchors: AnchorStore }> {
  const path = await mkdtemp(join(tmpdir(), 'anchors-'))
  t.after(async () => await rm(path, { recursive: true }))
  return { path, anchors: directoryAnchors(path) }
}

test('heads come back in order of position, each tenant’s apart', async (t) => {
  const { anchors } = await stage(t)
  for (const position of ['100', '9']) await anchors.put(head(bob, position))
  assert.deepEqual(await anchors.list(bob), [head(bob, '9'), head(bob, '100')])
  assert.deepEqual(await anchors.list(carol), [])
})

test('a head is written once, read-only, and another for the same position does not replace it', async (t) => {
  const { path, anchors } = await stage(t)
  for (let times = 0; times < 2; times += 1) await anchors.put(head(bob, '9'))
  await anchors.put(head(bob, '9', 'cd'.repeat(32)))
  const files = await readdir(join(path, bob))
  assert.equal(files.length, 2)
  for (const file of files) assert.equal((await stat(join(path, bob, file))).mode & 0o777, 0o400)
})

test('a file that is no head is refused, not passed over', async (t) => {
  const { path, anchors } = await stage(t)
  await anchors.put(head(bob, '9'))
  for (const text of ['', 'null', '{"v":1}']) {
    await writeFile(join(path, bob, '0-head.json'), text)
    await assert.rejects(anchors.list(bob), ObjectStoreError)
  }
})

test('a public key signs nothing', () => {
  const { key, signature, ...statement } = head(bob, '9')
  assert.throws(() => signHead(statement, publicKey), ConfigurationError)
})
