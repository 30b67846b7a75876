// What every store of anchors promises.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { AnchorStore } from '../../src/audit/anchor-store.ts'
import { type HeadKind, type SignedHead, signHead } from '../../src/audit/signed-head.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { ObjectStoreError } from '../../src/errors.ts'

export const bob = '0198aaaa-0000-7000-8000-00000000000b' as TenantId
export const carol = '0198aaaa-0000-7000-8000-00000000000c' as TenantId
export const { privateKey, publicKey } = generateKeyPairSync('ed25519')

export function headOf(tenant: TenantId, position: string, hash = 'ab'.repeat(32), kind: HeadKind = 'head'): SignedHead {
  return signHead({ v: 1, kind, tenant, position, hash, at: '2026-01-02T00:00:00.000Z' }, privateKey)
}

export interface AnchorStage {
  readonly anchors: AnchorStore
  /** Writes what is no anchor among those of the tenant, or over one: as somebody would who has got in there. */
  plant(tenant: TenantId, name: string, text: string): Promise<void>
}

export function anchorStoreConformance(kind: string, stage: (t: TestContext) => Promise<AnchorStage>): void {
  test(`${kind}: heads come back in order of position, each tenant’s apart, and the latest by itself`, async (t) => {
    const { anchors } = await stage(t)
    assert.equal(await anchors.latest(bob), undefined)
    for (const position of ['100', '9', '9223372036854775807', '10']) await anchors.put(headOf(bob, position))
    await anchors.put(headOf(bob, '9', undefined, 'pruned'))
    const listed = await anchors.list(bob)
    assert.deepEqual(
      listed.map(({ position, kind: of }) => `${of} ${position}`),
      ['head 9', 'pruned 9', 'head 10', 'head 100', 'head 9223372036854775807'],
    )
    assert.deepEqual(listed.at(-1), headOf(bob, '9223372036854775807'))
    assert.deepEqual(await anchors.latest(bob), listed.at(-1))
    assert.deepEqual([await anchors.list(carol), await anchors.latest(carol)], [[], undefined])
  })

  test(`${kind}: the same head again changes nothing, and one that contradicts it is kept beside it`, async (t) => {
    const { anchors } = await stage(t)
    for (let times = 0; times < 2; times += 1) await anchors.put(headOf(bob, '9'))
    await anchors.put(headOf(bob, '9', 'cd'.repeat(32)))
    assert.deepEqual((await anchors.list(bob)).map(({ hash }) => hash.slice(0, 2)).sort(), ['ab', 'cd'])
  })

  test(`${kind}: many heads are listed, all of them`, async (t) => {
    const { anchors } = await stage(t)
    for (let position = 1; position <= 40; position += 1) await anchors.put(headOf(bob, String(position)))
    assert.deepEqual(
      (await anchors.list(bob)).map(({ position }) => Number(position)),
      Array.from({ length: 40 }, (_, index) => index + 1),
    )
  })

  test(`${kind}: what is no head is refused, not passed over`, async (t) => {
    const { anchors, plant } = await stage(t)
    const good = headOf(bob, '9')
    const bad: readonly unknown[] = [
      null,
      [],
      { v: 1 },
      { ...good, v: 2 },
      { ...good, kind: 'tail' },
      { ...good, position: '-1' },
      { ...good, position: '9223372036854775808' },
      { ...good, hash: 'ab' },
      { ...good, signature: 7 },
    ]
    for (const text of ['', '{', ...bad.map((each) => JSON.stringify(each))]) {
      await plant(bob, '9999999999999999999-head.json', text)
      await assert.rejects(anchors.list(bob), ObjectStoreError, text)
      await assert.rejects(anchors.latest(bob), ObjectStoreError, text)
    }
  })
}
