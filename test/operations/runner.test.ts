import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { parseTenantId, parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import {
  AbortedError,
  ClosedError,
  ConfigurationError,
  OperationFailedError,
  OperationInProgressError,
  OperationNotCancellableError,
  OperationNotFoundError,
  OverloadedError,
} from '../../src/errors.ts'
import { MemoryOperationJournal } from '../../src/operations/memory-journal.ts'
import type { OperationDefinition, WorkStep } from '../../src/operations/operation.ts'
import { parseOperationId } from '../../src/operations/operation-input.ts'
import { OperationRunner } from '../../src/operations/runner.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { type Death, Mortal } from './mortal.ts'
import { memoryStage } from './stage.ts'

const acme = { kind: 'slug' as const, slug: parseTenantSlug('acme') }
const alice = { actor: { kind: 'staff', id: 'alice' } as const, reason: 'test' }
const step = (name: string, run: () => Promise<void> = async () => {}, isFinal = false): WorkStep<unknown> => ({
  name,
  describe: name,
  isFinal,
  run: async () => void (await run()),
})

function runnerOf(steps: readonly WorkStep<unknown>[], change: Partial<OperationDefinition<unknown>> = {}, operationsMax?: number) {
  const clock = new ManualClock()
  const journal = new MemoryOperationJournal({ clock })
  const definition: OperationDefinition<unknown> = {
    kind: 'test',
    givesWayTo: [],
    undoesRefusals: false,
    parse: (input) => input,
    steps: () => steps,
    undo: () => [],
    ...change,
  }
  const make = () => new OperationRunner({ journal, definitions: [definition], auditTrail: new MemoryAuditTrail(), clock, operationsMax })
  return { clock, journal, make, runner: make() }
}

const start = (runner: OperationRunner) => runner.start('test', {}, { ...alice, tenantId: parseTenantId(uuidv7()) })

test('a runner that was silent for too long stops before its next step, and its successor’s work stands', async () => {
  const ran: string[] = []
  let slept = async () => {}
  const { clock, journal, runner, make } = runnerOf([
    step('one', async () => {
      ran.push('one')
      await slept()
    }),
    step('two', async () => void ran.push('two')),
  ])
  const successor = make()
  slept = async () => {
    slept = async () => {}
    clock.advance(60_000)
    const [taken] = await successor.resumeAll()
    assert.equal(taken?.operation?.state, 'done')
  }
  await assert.rejects(start(runner), OperationInProgressError)
  assert.deepEqual(ran, ['one', 'one', 'two'])
  const [operation] = await journal.list()
  assert.deepEqual([operation?.state, operation?.attempt], ['done', 2])
})

test('an operation whose caller gives up stays where it stands, and is resumed at once by another', async () => {
  const stop = new AbortController()
  const ran: string[] = []
  const { runner, make } = runnerOf([
    step('one', async () => {
      ran.push('one')
      stop.abort()
    }),
    step('two', async () => void ran.push('two')),
  ])
  const options = { ...alice, tenantId: parseTenantId(uuidv7()), signal: stop.signal }
  await assert.rejects(runner.start('test', {}, options), AbortedError)
  const [resumed] = await make().resumeAll()
  assert.equal(resumed?.operation?.state, 'done')
  assert.deepEqual(ran, ['one', 'two'])
})

test('cancelling what runs elsewhere undoes it after the present step', async () => {
  const ran: string[] = []
  let between = async () => {}
  const { journal, runner, make } = runnerOf([step('one', () => between()), step('two', async () => void ran.push('two'))], {
    undo: () => [step('undo', async () => void ran.push('undo'))],
  })
  between = async () => {
    const [running] = await journal.list()
    const asked = await make().cancel(parseOperationId(running?.id))
    assert.deepEqual([asked.state, asked.cancelling], ['running', true])
  }
  const { operation } = await start(runner)
  assert.equal(operation.state, 'cancelled')
  assert.deepEqual(ran, ['undo'])
})

test('what fails while it is undone can be retried, and goes on undoing', async () => {
  let isBroken = true
  const ran: string[] = []
  const { journal, runner } = runnerOf([step('one', () => Promise.reject(new Error('broken')))], {
    undo: () => [
      step('undo', async () => {
        if (isBroken) throw new Error('still broken')
        ran.push('undo')
      }),
    ],
  })
  await assert.rejects(start(runner), OperationFailedError)
  const [failed] = await journal.list()
  const id = parseOperationId(failed?.id)
  await assert.rejects(runner.cancel(id), OperationFailedError)
  isBroken = false
  assert.equal((await runner.resume(id, { failed: true })).operation.state, 'cancelled')
  assert.deepEqual(ran, ['undo'])
})

test('what cannot be had is refused by name: unknown, waiting, over', async () => {
  const { journal, runner } = runnerOf([step('one')], { steps: () => [step('one'), { name: 'wait', describe: 'waits', waitMs: 1_000 }] })
  await assert.rejects(runner.resume(parseOperationId(uuidv7())), OperationNotFoundError)
  await assert.rejects(runner.cancel(parseOperationId(uuidv7())), OperationNotFoundError)
  assert.throws(() => parseOperationId('x'), OperationNotFoundError)
  const { operation } = await start(runner)
  await assert.rejects(runner.resume(operation.id), /waits until/)
  await runner.cancel(operation.id)
  assert.equal((await journal.find(operation.id))?.state, 'cancelled')
  await assert.rejects(runner.resume(operation.id), OperationNotCancellableError)
  await assert.rejects(runner.start('unknown', {}, { ...alice, tenantId: operation.tenantId }), ConfigurationError)
})

test('a runner takes no more than it may at a time, and nothing once it is closed', async () => {
  const gate = Promise.withResolvers<void>()
  const { runner } = runnerOf([step('one', () => gate.promise)], {}, 1)
  const first = start(runner)
  await assert.rejects(start(runner), OverloadedError)
  gate.resolve()
  assert.equal((await first).operation.state, 'done')
  await runner.close()
  await assert.rejects(start(runner), ClosedError)
})

test('an operation whose start cannot be recorded is not begun', async () => {
  const { journal, clock } = runnerOf([])
  const auditTrail = { record: () => Promise.reject(new Error('The trail is full.')) }
  const ran: string[] = []
  const definition = runnerOf([]) && {
    kind: 'test',
    givesWayTo: 'all' as const,
    undoesRefusals: false,
    parse: (input: unknown) => input,
    steps: () => [step('one', async () => void ran.push('one'))],
    undo: () => [],
  }
  const runner = new OperationRunner({ journal, definitions: [definition], auditTrail, clock })
  await assert.rejects(start(runner), /The trail is full/)
  assert.deepEqual(ran, [])
  assert.equal((await journal.list())[0]?.state, 'cancelled')
})

/** What the outside world sees when all is over. */
async function outcomeOf(stage: ReturnType<typeof memoryStage>) {
  const tenant = await stage.catalog.find(acme)
  const facts = tenant && (await stage.pooled.describe(tenant))
  return {
    status: tenant?.status,
    gate: facts?.gate,
    rows: facts?.tables,
    places: stage.pooled.size,
    open: (await stage.journal.list()).filter(({ state }) => state !== 'done' && state !== 'cancelled').length,
  }
}

/** Runs `act` in one mortal process after the other, and what it left behind in the next. */
async function throughDeaths(
  stage: ReturnType<typeof memoryStage>,
  deaths: readonly Death[],
  act: (process: ReturnType<typeof memoryStage>) => Promise<unknown>,
): Promise<void> {
  const [first, ...later] = deaths
  const live = async (death: Death | undefined, work: typeof act): Promise<void> => {
    const mortal = new Mortal(death ?? { call: Number.POSITIVE_INFINITY, isMade: true })
    const { options } = stage
    const process = memoryStage({
      ...options,
      catalog: mortal.port(options.catalog),
      journal: mortal.port(options.journal),
      placements: (isolation) => mortal.port(options.placements(isolation)),
    })
    await work(process).catch((error: unknown) => {
      if (!mortal.isDead) throw error
    })
    stage.clock.advance(60_000)
  }
  await live(first, act)
  for (const death of [...later, undefined]) await live(death, (process) => process.operations.resumeAll())
  // It may have died before the journal had heard of it: then nothing was done, and the operator repeats the call.
  if ((await stage.journal.list()).length === 0) await live(undefined, act)
}

const deaths = fc.array(fc.record({ call: fc.nat(40), isMade: fc.boolean() }), { maxLength: 4 })

test('however often an onboarding is killed, and wherever, it ends as one that never was', async () => {
  await fc.assert(
    fc.asyncProperty(deaths, async (killed) => {
      const stage = memoryStage()
      await throughDeaths(stage, killed, ({ operations }) => operations.onboard({ slug: 'acme', name: 'Acme' }))
      assert.deepEqual(await outcomeOf(stage), { status: 'active', gate: 'open', rows: [], places: 1, open: 0 })
    }),
    { numRuns: 200 },
  )
})

test('however often a suspension is killed, and wherever, the tenant is suspended in the end', async () => {
  await fc.assert(
    fc.asyncProperty(deaths, async (killed) => {
      const stage = memoryStage()
      await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
      await throughDeaths(stage, killed, ({ operations }) => operations.suspend('acme', { reason: 'unpaid' }))
      // Killed before the journal heard of it: the operator repeats the call.
      if ((await stage.catalog.find(acme))?.status === 'active') await stage.operations.suspend('acme', { reason: 'unpaid' })
      assert.deepEqual(await outcomeOf(stage), { status: 'suspended', gate: 'suspended', rows: [], places: 1, open: 0 })
    }),
    { numRuns: 200 },
  )
})

test('however often a purge is killed, and wherever, nothing is left and one certificate says so', async () => {
  await fc.assert(
    fc.asyncProperty(deaths, async (killed) => {
      const stage = memoryStage()
      const { operation } = await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
      const id = operation?.tenantId as Tenant['id']
      stage.pooled.fill(id, 'app.notes', 7)
      const purge = ({ operations }: ReturnType<typeof memoryStage>) => operations.offboard(id, { reason: 'over', now: true })
      await throughDeaths(stage, killed, purge)
      if ((await stage.catalog.find(acme)) !== undefined) await purge(stage)
      assert.deepEqual(await outcomeOf(stage), { status: undefined, gate: undefined, rows: undefined, places: 0, open: 0 })
      const [done] = await stage.journal.list({ kind: 'offboard', state: 'done' })
      const stores = JSON.stringify(done?.steps['certify']?.output)
      assert.match(stores, /sha256/)
    }),
    { numRuns: 200 },
  )
})

test('however often the undoing of an onboarding is killed, nothing is left of it', async () => {
  await fc.assert(
    fc.asyncProperty(deaths, async (killed) => {
      const stage = memoryStage()
      const broken = memoryStage({ ...stage.options, hooks: { beforeOpen: () => Promise.reject(new Error('broken')) } })
      await assert.rejects(broken.operations.onboard({ slug: 'acme', name: 'Acme' }), OperationFailedError)
      const [failed] = await stage.journal.list()
      const cancel = ({ operations }: ReturnType<typeof memoryStage>) => operations.cancel(failed?.id ?? '', { reason: 'over' })
      await throughDeaths(stage, killed, cancel)
      if ((await stage.journal.find(parseOperationId(failed?.id)))?.state !== 'cancelled') await cancel(stage)
      assert.deepEqual(await outcomeOf(stage), { status: undefined, gate: undefined, rows: undefined, places: 0, open: 0 })
    }),
    { numRuns: 200 },
  )
})
