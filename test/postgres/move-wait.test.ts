// Waiting for a tenant that is being switched: who asks, how often, and who is heard when others are silent.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import type { Placement } from '../../src/core/placement.ts'
import type { Tenant, TenantId } from '../../src/core/tenant.ts'
import { DatabaseUnavailableError, OverloadedError, TenantMovingError, TenantNotFoundError } from '../../src/errors.ts'
import type { Gate } from '../../src/postgres/capabilities.ts'
import { MoveWait, type MoveWaitOptions } from '../../src/postgres/move-wait.ts'
import type { LetIn } from '../../src/postgres/move-watch.ts'
import type { TenantDatabase, TenantDatabases } from '../../src/postgres/tenant-database.ts'
import { Tries } from '../../src/postgres/tries.ts'

const placement = (database: string): Placement => ({ isolation: 'pooled', server: 'main', database, schema: 'app' })
const tenantAt = (database: string, id = 'bob'): Tenant => ({ id: id as TenantId, placement: placement(database) }) as Tenant
const gate = (state: Gate['state'], fence = '1', isOverdue = false): Gate => ({ state, fence, isOverdue })

/** Two questions, answered as the test says. */
class Answers {
  gate: () => Promise<Gate | undefined> = async () => gate('fenced')
  place: () => Promise<Tenant | undefined> = async () => tenantAt('old')
  expired: string | undefined
  reopened: string[] = []
  looks = { gate: 0, place: 0 }

  readonly databases = {
    get: async () => this.database,
    tryGet: () => this.database,
    locate: async () => {
      this.looks.place += 1
      return await this.place()
    },
    expireFence: async () => this.expired,
  } as unknown as TenantDatabases

  readonly database = {
    name: 'old',
    holds: 'pooled',
    capabilities: {
      gateOf: async () => {
        this.looks.gate += 1
        return await this.gate()
      },
      reopenGate: async (_: TenantId, fence: string) => void this.reopened.push(fence),
    },
  } as unknown as TenantDatabase

  wait(options: Partial<MoveWaitOptions> = {}): MoveWait {
    return new MoveWait({ databases: this.databases, clock: systemClock, ...options })
  }
}

const soon = (ms = 5_000) => systemClock.monotonic() + ms
const options = (seen?: string, ms?: number) => ({ until: soon(ms), seen, signal: undefined })
const never = <T>(): Promise<T> => new Promise(() => {})

describe('waiting for a tenant that is being switched', () => {
  test('a hundred wait, and one asks for them', async () => {
    const answers = new Answers()
    const wait = answers.wait()
    const waiting = Promise.all(Array.from({ length: 100 }, () => wait.wait(tenantAt('old'), options())))
    while (answers.looks.gate < 4) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([wait.waiting, wait.watched], [100, 1])
    const { looks } = answers
    assert.ok(looks.place <= looks.gate + 1 && looks.gate <= looks.place + 1)
    answers.gate = async () => gate('moving', '2')
    assert.ok((await waiting).every((found) => found?.seen === 'moving 2'))
    assert.deepEqual([wait.waiting, wait.watched], [0, 0])
  })

  test('a database that is silent does not keep the catalog from being heard, nor the catalog the gate', async () => {
    const answers = new Answers()
    answers.gate = never
    answers.place = async () => tenantAt('new')
    const found = await answers.wait().wait(tenantAt('old'), options())
    assert.equal(found?.tenant.placement.database, 'new')
    answers.place = () => Promise.reject(new DatabaseUnavailableError('down'))
    answers.gate = async () => gate('open', '2')
    assert.equal((await answers.wait().wait(tenantAt('old'), options()))?.seen, 'open 2')
  })

  test('when nobody answers it ends at its time', async () => {
    const answers = new Answers()
    answers.gate = never
    answers.place = never
    assert.equal(await answers.wait().wait(tenantAt('old'), options(undefined, 20)), undefined)
    assert.equal(await answers.wait().wait(tenantAt('old'), options(undefined, 0)), undefined)
  })

  test('a tenant that was found elsewhere is known to be there, until somebody knows better', async () => {
    const answers = new Answers()
    const at = (database: string, epoch: number): Tenant => ({ ...tenantAt(database), epoch })
    answers.place = async () => at('new', 2)
    const wait = answers.wait()
    assert.equal(wait.newest(at('old', 1)).placement.database, 'old')
    await wait.wait(at('old', 1), options())
    assert.equal(wait.newest(at('old', 1)).placement.database, 'new')
    assert.equal(wait.newest(at('newer', 3)).placement.database, 'newer')
  })

  test('a tenant that is gone is not waited for', async () => {
    const answers = new Answers()
    answers.place = async () => undefined
    assert.equal(await answers.wait().wait(tenantAt('old'), options()), undefined)
  })

  for (const state of ['open', 'moving', 'read_only', 'suspended'] as const) {
    test(`a gate that is ${state} lets try again`, async () => {
      const answers = new Answers()
      answers.gate = async () => gate(state)
      assert.deepEqual(await answers.wait().wait(tenantAt('old'), options()), { tenant: tenantAt('old'), seen: `${state} 1` })
    })
  }

  test('whoever was refused at a gate that lets others in waits until it stands otherwise', async () => {
    const answers = new Answers()
    answers.gate = async () => gate('moving')
    const wait = answers.wait()
    let found: LetIn | undefined
    const waiting = wait.wait(tenantAt('old'), options('moving 1')).then((let_) => {
      found = let_
    })
    assert.equal((await wait.wait(tenantAt('old'), options()))?.seen, 'moving 1')
    assert.equal(found, undefined)
    answers.gate = async () => gate('moving', '2')
    await waiting
    assert.equal(found!.seen, 'moving 2')
  })

  test('and is let try again after a while even so, when the fence that was announced has been given up', async () => {
    const answers = new Answers()
    answers.gate = async () => gate('moving')
    answers.expired = '1'
    const startedAt = systemClock.monotonic()
    assert.equal((await answers.wait().wait(tenantAt('old'), options('moving 1')))?.seen, 'moving 1')
    assert.ok(systemClock.monotonic() - startedAt >= 200)
    assert.deepEqual(answers.reopened, ['1'])
  })

  test('an overdue fence is reopened with the catalog’s number, and not without one', async () => {
    const answers = new Answers()
    answers.gate = async () => gate('fenced', '3', true)
    const waiting = answers.wait().wait(tenantAt('old'), options())
    const looked = answers.looks.gate
    while (answers.looks.gate < looked + 3) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(answers.reopened, [])
    answers.expired = '3'
    while (answers.reopened.length === 0) await new Promise((resolve) => setImmediate(resolve))
    answers.gate = async () => gate('open', '3')
    await waiting
    assert.deepEqual([...new Set(answers.reopened)], ['3'])
  })

  test('no more wait altogether than may', async () => {
    const answers = new Answers()
    const wait = answers.wait({ waitingMax: 1 })
    const first = wait.wait(tenantAt('old'), options(undefined, 50))
    await assert.rejects(wait.wait(tenantAt('old', 'carol'), options()), OverloadedError)
    await first
  })
})

describe('trying again', () => {
  const triesOf = (answers: Answers) =>
    new Tries({ databases: answers.databases, moveWait: answers.wait(), onFailure: () => {}, signal: undefined, timeoutMs: undefined })

  test('has an end, however often a tenant seems to be elsewhere', async () => {
    const answers = new Answers()
    let moves = 0
    answers.place = async () => tenantAt(`place ${++moves}`)
    const tries = triesOf(answers)
    let tenant = tenantAt('old')
    let count = 0
    for (; count < 1_000; count++) {
      const cure = tries.cureOf(new TenantMovingError('moving'), tenant, undefined)
      if (cure === undefined) break
      tenant = await tries.next(cure, new TenantMovingError('moving'), tenant)
    }
    assert.equal(count, 19)
  })

  test('is not worth it where the failure is of another kind, or the tenant has not left', async () => {
    const answers = new Answers()
    const tries = triesOf(answers)
    const gone = new TenantNotFoundError('no gate')
    assert.equal(tries.cureOf(new RangeError('other'), tenantAt('old'), undefined), undefined)
    const cure = tries.cureOf(gone, tenantAt('old'), undefined)
    await assert.rejects(tries.next(cure!, gone, tenantAt('old')), gone)
    answers.place = async () => tenantAt('new')
    assert.equal((await tries.next(cure!, gone, tenantAt('old'))).placement.database, 'new')
  })
})
