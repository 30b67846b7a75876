// A tenant is moved there, back, and there for good, by the mover itself, and its application sees latency and no errors.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import { TenancyError } from '../../../src/errors.ts'
import { type MoveStage, moveStage } from '../../support/move-stage.ts'

const reason = 'Contract 4711.'
const writersMax = 8

describe('the application of a tenant that is moved', () => {
  let stage: MoveStage

  before(async () => {
    stage = await moveStage()
  })
  after(async () => await stage?.strike())

  for (const to of isolations.filter((each) => each !== 'pooled')) {
    test(`to ${to}: no statement fails, no read goes back, and what was acknowledged is there once`, async () => {
      const { tenancy, fleet } = stage
      const slug = `to-${to}`
      await stage.tenant(slug, 'pooled', 10)
      await fleet.moves.start(slug, { to, fenceMs: 20_000, drainMs: 5_000 }, { reason })
      const acknowledged: string[] = []
      let isOver = false
      let reads = 0
      // All in contexts from before the move.
      const busy = (work: (i: number) => Promise<void>): Promise<void> =>
        tenancy.run(slug, async () => {
          for (let i = 0; !isOver; i++) await work(i)
        })
      const writers = Array.from({ length: writersMax }, (_, writer) =>
        busy(async (i) => {
          await tenancy.query('insert into documents (title) values ($1)', [`${writer} ${i}`])
          acknowledged.push(`${writer} ${i}`)
        }),
      )
      const transactions = busy(async (i) => {
        try {
          await tenancy.transaction(async (tx) => {
            await tx.query('insert into documents (title) values ($1)', [`first ${i}`])
            await tx.query('insert into documents (title) values ($1)', [`second ${i}`])
          })
          acknowledged.push(`first ${i}`, `second ${i}`)
        } catch (error) {
          // One that had begun may be ended; then all of it may be run again.
          if (!(error instanceof TenancyError && error.retryable)) throw error
        }
      })
      let seen = 0
      const reader = busy(async () => {
        const before = acknowledged.length
        const { rows } = await tenancy.query<{ count: number }>('select count(*)::int as count from documents')
        assert.ok(rows[0]!.count >= Math.max(seen, 10 + before), `${rows[0]!.count} after ${seen}, ${before} acknowledged`)
        seen = rows[0]!.count
        reads += 1
      })
      let hasFailed = false
      const all = Promise.all([...writers, transactions, reader]).catch((error: unknown) => {
        hasFailed = true
        throw error
      })
      /** Until a count has grown by so much. */
      const until = async (count: () => number, more: number): Promise<void> => {
        const goal = count() + more
        while (count() < goal && !hasFailed) await new Promise((resolve) => setImmediate(resolve))
      }
      const moved = (async () => {
        for (const turn of ['switch', 'reverse', 'switch'] as const) {
          await until(() => reads, 5)
          await until(() => acknowledged.length, 50)
          const move = await fleet.moves[turn](slug)
          assert.equal(move.serving, turn === 'reverse' ? 'source' : 'target')
        }
        await until(() => reads, 5)
        await fleet.moves.complete(slug)
        await until(() => acknowledged.length, 50)
      })().finally(() => {
        isOver = true
      })
      await Promise.allSettled([all, moved])
      await Promise.all([all, moved])
      const titles = await stage.titles(slug)
      assert.deepEqual(titles.filter((title) => !title.startsWith(slug)).toSorted(), acknowledged.toSorted())
      await fleet.tenants.offboard(slug, { reason, now: true })
    })
  }
})
