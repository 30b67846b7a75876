import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { directoryAnchors } from '../../src/audit/directory-anchor-store.ts'
import { signHead } from '../../src/audit/signed-head.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { type AnchorStage, anchorStoreConformance, bob, headOf, publicKey } from './anchor-store-conformance.ts'

async function stage(t: TestContext): Promise<AnchorStage & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'anchors-'))
  t.after(async () => await rm(path, { recursive: true }))
  return {
    path,
    anchors: directoryAnchors(path),
    plant: async (tenant, name, text) => {
      await mkdir(join(path, tenant), { recursive: true })
      await writeFile(join(path, tenant, name), text)
    },
  }
}

anchorStoreConformance('directory', stage)

test('a head is written once, read-only, and another for the same position does not replace it', async (t) => {
  const { path, anchors } = await stage(t)
  for (let times = 0; times < 2; times += 1) await anchors.put(headOf(bob, '9'))
  await anchors.put(headOf(bob, '9', 'cd'.repeat(32)))
  const files = await readdir(join(path, bob))
  assert.equal(files.length, 2)
  for (const file of files) assert.equal((await stat(join(path, bob, file))).mode & 0o777, 0o400)
})

test('a public key signs nothing', () => {
  const { key, signature, ...statement } = headOf(bob, '9')
  assert.throws(() => signHead(statement, publicKey), ConfigurationError)
})
