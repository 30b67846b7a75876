// Exports of a log as files: whole or not there, and what is handed over is judged, never believed.

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AuditRow, chainHash, chainStart } from '../../src/audit/chain.ts'
import { exportLog, verifyExport } from '../../src/audit/export-log.ts'
import { keyId } from '../../src/audit/signed-head.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { EvidenceInvalidError, InvalidInputError } from '../../src/errors.ts'
import { bob, headOf, privateKey, publicKey } from './anchor-store-conformance.ts'

const keys = new Map([[keyId(publicKey), publicKey]])
const tenant = { id: bob, slug: 'bob' } as Tenant

function chain(count: number): readonly AuditRow[] {
  const rows: AuditRow[] = []
  let previous = chainStart(bob)
  for (let n = 1; n <= count; n += 1) {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, n)).toISOString()
    const payload = JSON.stringify({ at, entries: [] })
    const hash = chainHash(previous, { position: BigInt(n), payload })
    rows.push({ position: BigInt(n), at, payload, hash })
    previous = hash
  }
  return rows
}

async function written(t: TestContext): Promise<{ readonly directory: string; readonly to: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-export-'))
  t.after(async () => await rm(directory, { recursive: true }))
  return { directory, to: join(directory, 'bob.jsonl') }
}

const rows = chain(5)
const input = (to: string) =>
  ({
    tenant,
    to,
    format: 'jsonl',
    anchors: [headOf(bob, '5', rows.at(-1)!.hash.toString('hex'))],
    key: privateKey,
    at: new Date(0),
    product: '0',
    log: {
      rows: async function* () {
        yield rows
      },
    },
  }) as const

test('an export is judged by its manifest and its anchors, and nothing else is left in the directory', async (t) => {
  const { directory, to } = await written(t)
  await exportLog(input(to))
  const { manifestIs, isWhole, log } = await verifyExport(to, keys)
  assert.deepEqual([manifestIs, isWhole, log?.isSound, log?.anchoredTo], ['genuine', true, true, 5n])
  assert.deepEqual((await readdir(directory)).sort(), ['bob.jsonl', 'bob.jsonl.manifest.json'])
})

test('an export that breaks off leaves what was there before, and no part of itself', async (t) => {
  const { directory, to } = await written(t)
  await exportLog(input(to))
  const before = await readFile(to, 'utf8')
  const breaking = {
    rows: async function* () {
      yield rows.slice(0, 2)
      throw new InvalidInputError('The connection broke.')
    },
  }
  await assert.rejects(exportLog({ ...input(to), log: breaking }), InvalidInputError)
  assert.equal(await readFile(to, 'utf8'), before)
  assert.deepEqual((await readdir(directory)).sort(), ['bob.jsonl', 'bob.jsonl.manifest.json'])
})

test('a manifest that is none is refused by name, whatever is wrong with it', async (t) => {
  const { to } = await written(t)
  const good = await exportLog(input(to))
  const [anchor] = good.anchors
  const bad: readonly unknown[] = [
    null,
    'text',
    { ...good, v: 2 },
    { ...good, tenant: 'bob' },
    { ...good, tenant: null },
    { ...good, format: 'xml' },
    { ...good, key: undefined },
    { ...good, signature: 1 },
    { ...good, last: '9223372036854775808' },
    { ...good, first: 1 },
    { ...good, count: 'many' },
    { ...good, head: 'short' },
    { ...good, sha256: null },
    { ...good, anchors: {} },
    { ...good, anchors: [null] },
    { ...good, anchors: [{ ...anchor, position: 'one' }] },
    { ...good, anchors: [{ ...anchor, hash: 7 }] },
    { ...good, anchors: [{ ...anchor, signature: undefined }] },
  ]
  for (const text of ['', '{', ...bad.map((each) => JSON.stringify(each))]) {
    await writeFile(`${to}.manifest.json`, text)
    await assert.rejects(verifyExport(to, keys), EvidenceInvalidError, text)
  }
})

test('a line that is no row is refused by its number', async (t) => {
  const { to } = await written(t)
  await exportLog(input(to))
  const [first, ...rest] = (await readFile(to, 'utf8')).split('\n')
  const row = JSON.parse(first!) as Record<string, unknown>
  for (const bad of [
    '',
    '{}',
    JSON.stringify({ ...row, position: '-1' }),
    JSON.stringify({ ...row, position: '9223372036854775808' }),
    JSON.stringify({ ...row, position: 1 }),
    JSON.stringify({ ...row, hash: 'xyz' }),
    JSON.stringify({ ...row, payload: null }),
  ]) {
    await writeFile(to, [bad, ...rest].join('\n'))
    await assert.rejects(verifyExport(to, keys), /Line 1 of the export/, bad)
  }
})
