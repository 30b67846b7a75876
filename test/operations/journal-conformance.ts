// What every journal of operations promises. Run by each adapter's test.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { parseTenantId, type TenantId } from '../../src/core/tenant.ts'
import { InvalidInputError, OperationInProgressError } from '../../src/errors.ts'
import type { NewOperation, OperationJournal, StepRecord } from '../../src/operations/journal.ts'
import { parseOperationId } from '../../src/operations/operation-input.ts'

/** A journal, and a way to let its clock go on without waiting. */
export interface JournalUnderTest {
  readonly journal: OperationJournal
  /** Everything that is owned or waits is past its time. */
  letTimePass(): Promise<void>
}

const lease = 30_000
const tenant = (): TenantId => parseTenantId(uuidv7())
const done: StepRecord = { state: 'done', startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z', output: { n: 1 } }
const started: StepRecord = { state: 'started', startedAt: '2026-01-01T00:00:01.000Z' }

function fresh(change: Partial<NewOperation> = {}): NewOperation {
  return {
    id: parseOperationId(uuidv7()),
    tenantId: tenant(),
    kind: 'suspend',
    input: { why: 'x' },
    steps: {},
    actor: { kind: 'staff', id: 'alice' },
    reason: 'because',
    owner: 'runner-1',
    ...change,
  }
}

export function journalConformance(name: string, makeJournal: (t: TestContext) => Promise<JournalUnderTest>): void {
  const promise = (sentence: string, fn: (subject: JournalUnderTest) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => fn(await makeJournal(t)))

  promise('what was begun is there, complete, and open for its tenant alone', async ({ journal }) => {
    const input = fresh()
    const { createdAt, updatedAt, ...begun } = await journal.begin(input, lease)
    assert.deepEqual(begun, {
      ...input,
      state: 'running',
      cancelling: false,
      attempt: 1,
      error: undefined,
      wakeAt: undefined,
      finishedAt: undefined,
    })
    assert.ok(createdAt instanceof Date && updatedAt instanceof Date)
    assert.equal((await journal.find(input.id))?.id, input.id)
    assert.equal((await journal.findOpen(input.tenantId))?.id, input.id)
    assert.equal(await journal.findOpen(tenant()), undefined)
    assert.equal(await journal.find(parseOperationId(uuidv7())), undefined)
  })

  promise('a tenant has one operation at a time; another tenant has its own', async ({ journal }) => {
    const first = fresh()
    await journal.begin(first, lease)
    await assert.rejects(journal.begin(fresh({ tenantId: first.tenantId }), lease), (error: OperationInProgressError) => {
      assert.ok(error instanceof OperationInProgressError)
      assert.equal(error.details['id'], first.id)
      assert.equal(error.details['kind'], 'suspend')
      assert.equal(typeof error.details['since'], 'string')
      return true
    })
    await journal.begin(fresh(), lease)
    assert.equal((await journal.settle({ ...first, attempt: 1 }, { state: 'done' }))?.state, 'done')
    await journal.begin(fresh({ tenantId: first.tenantId }), lease)
  })

  promise('of two that begin at the same time, one does', async ({ journal }) => {
    const tenantId = tenant()
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => journal.begin(fresh({ tenantId }), lease)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  })

  promise('a failed one keeps others out, and gives way to kinds that supersede it', async ({ journal }) => {
    const failed = await journal.begin(fresh({ kind: 'rename' }), lease)
    await journal.settle(failed, { state: 'failed', error: { step: 'rename', code: 'PW_INTERNAL', message: 'no' } })
    assert.deepEqual((await journal.find(failed.id))?.error, { step: 'rename', code: 'PW_INTERNAL', message: 'no' })
    const next = fresh({ tenantId: failed.tenantId })
    await assert.rejects(journal.begin(next, lease, ['change-plan']), OperationInProgressError)
    assert.equal((await journal.begin(next, lease, ['rename'])).state, 'running')
    assert.equal((await journal.find(failed.id))?.state, 'cancelled')
  })

  promise('what is owned is not taken over, and what nobody owns any more is', async ({ journal, letTimePass }) => {
    const begun = await journal.begin(fresh(), lease)
    assert.equal(await journal.claim(begun.id, 'runner-2', lease), undefined)
    assert.equal(await journal.claimDue('runner-2', lease), undefined)
    await letTimePass()
    const taken = await journal.claimDue('runner-2', lease)
    assert.equal(taken?.id, begun.id)
    assert.equal(taken?.owner, 'runner-2')
    assert.equal(taken?.attempt, 2)
    assert.equal(await journal.claimDue('runner-3', lease), undefined)
  })

  promise('whoever lost the claim writes nothing any more', async ({ journal, letTimePass }) => {
    const begun = await journal.begin(fresh(), lease)
    await letTimePass()
    const taken = await journal.claim(begun.id, 'runner-2', lease)
    assert.ok(taken)
    assert.equal(await journal.extend(begun, lease), false)
    assert.equal(await journal.record(begun, { stale: done }, {}), undefined)
    assert.equal(await journal.settle(begun, { state: 'done' }), undefined)
    await journal.release(begun)
    const now = await journal.find(begun.id)
    assert.deepEqual([now?.state, now?.steps, now?.owner], ['running', {}, 'runner-2'])
    // The same owner under an older attempt is another claim too.
    assert.equal(await journal.record({ ...taken, attempt: 1 }, { stale: done }, {}), undefined)
    assert.deepEqual(await journal.record(taken, { fresh: done }, {}), { cancelling: false })
    assert.deepEqual((await journal.find(begun.id))?.steps, { fresh: done })
  })

  promise('a lease that is extended lasts, and one that is given back is free at once', async ({ journal, letTimePass }) => {
    const begun = await journal.begin(fresh(), lease)
    await letTimePass()
    assert.equal(await journal.extend(begun, lease), true)
    assert.equal(await journal.claimDue('runner-2', lease), undefined)
    await journal.release(begun)
    assert.equal((await journal.claimDue('runner-2', lease))?.id, begun.id)
  })

  promise('of many that ask for what is due, each gets another', async ({ journal, letTimePass }) => {
    const all = await Promise.all(Array.from({ length: 4 }, () => journal.begin(fresh(), lease)))
    await letTimePass()
    const claimed = await Promise.all(Array.from({ length: 6 }, (_, index) => journal.claimDue(`runner-${index}`, lease)))
    const ids = claimed.flatMap((operation) => operation?.id ?? [])
    assert.equal(new Set(ids).size, ids.length)
    // A row that another holds is passed over, so that a second look may be needed.
    for (let next = await journal.claimDue('last', lease); next !== undefined; next = await journal.claimDue('last', lease))
      ids.push(next.id)
    assert.deepEqual(ids.sort(), all.map(({ id }) => id).sort())
  })

  promise('steps are written down together, and stay', async ({ journal }) => {
    const begun = await journal.begin(fresh(), lease)
    await journal.record(begun, {}, { one: started })
    await journal.record(begun, { one: done }, { two: started })
    assert.deepEqual((await journal.find(begun.id))?.steps, { one: done, two: started })
    await journal.settle(begun, { state: 'done', steps: { two: done } })
    const ended = await journal.find(begun.id)
    assert.deepEqual([ended?.state, ended?.steps], ['done', { one: done, two: done }])
    assert.ok(ended?.finishedAt)
  })

  promise('a waiting one is due when its time has come, and no earlier', async ({ journal, letTimePass }) => {
    const begun = await journal.begin(fresh(), lease)
    await journal.settle(begun, { state: 'waiting', wakeMs: 10_000, steps: { grace: { ...started, state: 'waiting' } } })
    const waiting = await journal.find(begun.id)
    assert.equal(waiting?.state, 'waiting')
    assert.ok(waiting?.wakeAt && waiting.wakeAt > waiting.createdAt)
    assert.equal(await journal.claimDue('runner-2', lease), undefined)
    await assert.rejects(journal.begin(fresh({ tenantId: begun.tenantId }), lease, ['suspend']), OperationInProgressError)
    await letTimePass()
    assert.equal((await journal.claimDue('runner-2', lease))?.id, begun.id)
  })

  promise('while it is cancelling no step forward starts, and a step back does', async ({ journal }) => {
    const begun = await journal.begin(fresh(), lease)
    assert.equal((await journal.cancel(begun.id, ['last']))?.cancelling, true)
    assert.deepEqual(await journal.record(begun, { one: done }, { two: started }), { cancelling: true })
    assert.deepEqual((await journal.find(begun.id))?.steps, { one: done })
    await journal.record(begun, {}, { 'undo-one': started }, { isUndo: true })
    assert.deepEqual((await journal.find(begun.id))?.steps, { one: done, 'undo-one': started })
    await journal.settle(begun, { state: 'cancelled' })
    assert.equal(await journal.cancel(begun.id, []), undefined)
  })

  promise('once a final step has begun it is not cancelled any more', async ({ journal }) => {
    const begun = await journal.begin(fresh(), lease)
    await journal.record(begun, {}, { last: started })
    assert.equal(await journal.cancel(begun.id, ['last']), undefined)
    assert.equal((await journal.find(begun.id))?.cancelling, false)
  })

  promise('a waiting one that is cancelled can be had at once; a failed one only when it is asked for', async ({ journal }) => {
    const waiting = await journal.begin(fresh(), lease)
    await journal.settle(waiting, { state: 'waiting', wakeMs: 1_000_000 })
    assert.equal(await journal.claim(waiting.id, 'runner-2', lease), undefined)
    await journal.cancel(waiting.id, [])
    assert.equal((await journal.claim(waiting.id, 'runner-2', lease))?.state, 'running')
    const failed = await journal.begin(fresh(), lease)
    await journal.settle(failed, { state: 'failed', error: { step: 's', code: 'c', message: 'm' } })
    assert.equal(await journal.claim(failed.id, 'runner-2', lease), undefined)
    assert.equal(await journal.claimDue('runner-2', lease), undefined)
    const retried = await journal.claim(failed.id, 'runner-2', lease, { failed: true })
    assert.deepEqual([retried?.state, retried?.error], ['running', undefined])
  })

  promise('a list has the newest first, and can be narrowed', async ({ journal }) => {
    const [a, b] = [await journal.begin(fresh({ kind: 'rename' }), lease), await journal.begin(fresh(), lease)]
    await journal.settle(a, { state: 'done' })
    assert.deepEqual(
      (await journal.list()).map(({ id }) => id),
      [b.id, a.id],
    )
    const only = async (options: Parameters<OperationJournal['list']>[0]) => (await journal.list(options)).map(({ id }) => id)
    assert.deepEqual(await only({ limit: 1 }), [b.id])
    assert.deepEqual(await only({ before: b.id }), [a.id])
    assert.deepEqual(await only({ kind: 'rename' }), [a.id])
    assert.deepEqual(await only({ state: 'running' }), [b.id])
    assert.deepEqual(await only({ tenantId: a.tenantId }), [a.id])
    await assert.rejects(journal.list({ limit: 0 }), InvalidInputError)
  })

  promise('what earlier operations were given is forgotten, of this tenant alone', async ({ journal }) => {
    const mine = await journal.begin(fresh(), lease)
    await journal.settle(mine, { state: 'done', steps: { one: done } })
    const last = await journal.begin(fresh({ tenantId: mine.tenantId, kind: 'offboard' }), lease)
    const other = await journal.begin(fresh(), lease)
    assert.equal(await journal.redact(mine.tenantId, last.id), 1)
    assert.equal(await journal.redact(mine.tenantId, last.id), 0)
    const redacted = await journal.find(mine.id)
    assert.deepEqual([redacted?.input, redacted?.steps, redacted?.reason, redacted?.state], [{}, {}, '', 'done'])
    assert.deepEqual((await journal.find(last.id))?.input, { why: 'x' })
    assert.deepEqual((await journal.find(other.id))?.input, { why: 'x' })
  })
}
