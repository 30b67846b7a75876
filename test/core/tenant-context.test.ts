import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { mainPlacement } from '../../src/core/placement.ts'
import { parseTenantId, parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import { createTenantContext, type TenantContext, TenantScope } from '../../src/core/tenant-context.ts'
import { DatabaseUnavailableError, InvalidInputError, NoTenantError, type TenancyError, WrongTenantError } from '../../src/errors.ts'

function tenantOf(name: string, number: number): Tenant {
  return {
    id: parseTenantId(`0190a0a0-0000-7000-8000-${String(number).padStart(12, '0')}`),
    slug: parseTenantSlug(name),
    name,
    plan: 'free',
    region: 'default',
    placement: mainPlacement,
    version: undefined,
    parentId: undefined,
    status: 'active',
    features: { search: true },
    ownFeatures: { search: true },
    settings: { theme: { dark: true } },
    domains: [],
    encryptionKeyId: undefined,
    keys: {},
    epoch: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }
}

const bob = createTenantContext({ tenant: tenantOf('bob', 1), actor: { kind: 'user', id: 'b' }, requestId: 'rb' })
const carol = createTenantContext({ tenant: tenantOf('carol', 2), actor: { kind: 'user', id: 'c' }, requestId: 'rc' })

function scopeUnderTest() {
  const trail = new MemoryAuditTrail()
  return { trail, scope: new TenantScope(trail) }
}

/** A turn of the event loop: timers and promises, in whoever's context. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('run', () => {
  test('inside run there is a tenant, outside there is none, and losing it is an error by name', async () => {
    const { scope } = scopeUnderTest()
    assert.throws(() => scope.current(), NoTenantError)
    assert.equal(scope.tryCurrent(), undefined)
    const result = await scope.run(bob, async (context) => {
      assert.equal(context, bob)
      await turn()
      assert.equal(scope.current(), bob)
      assert.equal(scope.tryCurrent(), bob)
      return 42
    })
    assert.equal(result, 42)
    assert.throws(() => scope.current(), NoTenantError)
  })

  test('a failure inside leaves nothing behind outside', async () => {
    const { scope } = scopeUnderTest()
    assert.throws(
      () =>
        scope.run(bob, () => {
          throw new InvalidInputError('no')
        }),
      InvalidInputError,
    )
    await assert.rejects(
      scope.run(bob, async () => {
        await turn()
        throw new InvalidInputError('no')
      }),
      InvalidInputError,
    )
    assert.equal(scope.tryCurrent(), undefined)
  })

  test('another tenant inside a tenant is refused before anything runs, the same tenant is not', () => {
    const { scope } = scopeUnderTest()
    const again = createTenantContext({ tenant: bob.tenant, actor: { kind: 'service', id: 's' } })
    scope.run(bob, () => {
      let ran = false
      assert.throws(
        () =>
          scope.run(carol, () => {
            ran = true
          }),
        (error: TenancyError) => {
          assert.ok(error instanceof WrongTenantError)
          assert.doesNotMatch(error.publicMessage, /0190/)
          return true
        },
      )
      assert.equal(ran, false)
      scope.run(again, () => assert.equal(scope.current(), again))
      assert.equal(scope.current(), bob)
    })
  })

  test('two tenancies in one process do not see each other’s tenants', () => {
    const one = scopeUnderTest().scope
    const other = scopeUnderTest().scope
    one.run(bob, () => {
      assert.throws(() => other.current(), NoTenantError)
      other.run(carol, () => {
        assert.equal(one.current(), bob)
        assert.equal(other.current(), carol)
      })
    })
  })

  test('there is no way to set a tenant but run', () => {
    const names = Object.getOwnPropertyNames(TenantScope.prototype)
    assert.deepEqual(names.sort(), ['acrossTenants', 'bind', 'check', 'constructor', 'current', 'requireTenant', 'run', 'tryCurrent'])
    const { scope } = scopeUnderTest()
    assert.deepEqual(Reflect.ownKeys(scope), [])
  })

  test('run does not leak to whoever called it, not even across an await', async () => {
    const { scope } = scopeUnderTest()
    const inner = async () => {
      scope.run(bob, () => undefined)
      await turn()
      return scope.tryCurrent()
    }
    assert.equal(await inner(), undefined)
    const pending = scope.run(bob, () => turn())
    assert.equal(scope.tryCurrent(), undefined)
    await pending
    assert.equal(scope.tryCurrent(), undefined)
  })

  test('a lazy thenable returned from an async function is evaluated inside; returned from a plain one it is not', async () => {
    const { scope } = scopeUnderTest()
    const seen: (TenantContext | undefined)[] = []
    const lazy = () => ({
      // biome-ignore lint/suspicious/noThenProperty: query builders are lazy thenables; this is one.
      then(resolve: (value: null) => void) {
        seen.push(scope.tryCurrent())
        resolve(null)
      },
    })
    await scope.run(bob, async () => lazy())
    await scope.run(bob, async () => await lazy())
    assert.deepEqual(seen, [bob, bob])
    await scope.run(bob, () => lazy())
    assert.equal(seen[2], undefined, 'it has no tenant: it fails by name instead of running as somebody')
  })

  test('whatever the interleaving of tenants, awaits and failures, each sees itself', async () => {
    const { scope } = scopeUnderTest()
    const contexts = [bob, carol, createTenantContext({ tenant: tenantOf('dave', 3) })]
    const waits: (() => Promise<unknown>)[] = [
      () => Promise.resolve(),
      turn,
      () => new Promise((resolve) => process.nextTick(resolve)),
      () => new Promise((resolve) => setTimeout(resolve, 0)),
      () => Promise.reject(new InvalidInputError('no')).catch(() => {}),
      () => Promise.race([turn(), Promise.resolve()]),
    ]
    const program = fc.array(fc.record({ who: fc.nat(2), waits: fc.array(fc.nat(waits.length - 1), { maxLength: 6 }) }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(program, async (tasks) => {
        await Promise.all(
          tasks.map(({ who, waits: chosen }) => {
            const context = contexts[who] as TenantContext
            return scope.run(context, async () => {
              for (const index of chosen) {
                await waits[index]?.()
                assert.equal(scope.current(), context)
              }
            })
          }),
        )
        assert.equal(scope.tryCurrent(), undefined)
      }),
      { numRuns: 100 },
    )
  })
})

describe('contexts', () => {
  test('a context cannot be changed, nor what it holds, nor through what it was made from', () => {
    const tenant = tenantOf('bob', 1)
    const actor = { kind: 'user' as const, id: 'b', isAdmin: true }
    const trace = { traceparent: '00-1', tracestate: undefined as string | undefined }
    const context = createTenantContext({ tenant, actor, trace })
    for (const part of [context, context.tenant, context.actor, context.trace, context.tenant.settings, context.tenant.settings['theme']]) {
      assert.ok(Object.isFrozen(part))
    }
    assert.throws(() => Object.assign(context, { tenant: carol.tenant }), TypeError)
    assert.throws(() => Object.assign(context.tenant, { id: carol.tenant.id }), TypeError)
    actor.id = 'eve'
    trace.traceparent = '00-2'
    assert.deepEqual(context.actor, { kind: 'user', id: 'b' }, 'no more is known of the actor than its kind and id')
    assert.equal(context.trace?.traceparent, '00-1')
  })

  test('a context without an actor is the system’s, and each has a request id of its own', () => {
    const one = createTenantContext({ tenant: bob.tenant })
    const two = createTenantContext({ tenant: bob.tenant })
    assert.deepEqual(one.actor, { kind: 'system', id: 'partywall' })
    assert.notEqual(one.requestId, two.requestId)
  })
})

describe('check', () => {
  test('the explicit context goes first and is checked against the ambient one', () => {
    const { scope } = scopeUnderTest()
    assert.throws(() => scope.check(undefined), NoTenantError)
    assert.equal(scope.check(bob), bob)
    scope.run(bob, () => {
      assert.equal(scope.check(undefined), bob)
      assert.equal(scope.check(bob), bob)
      assert.throws(() => scope.check(carol), WrongTenantError)
    })
  })
})

describe('requireTenant', () => {
  test('a function refuses to start without a tenant, and keeps its this, arguments and result', async () => {
    const { scope } = scopeUnderTest()
    let ran = 0
    const plain = scope.requireTenant(function (this: { base: number }, a: number, b: number) {
      ran += 1
      return this.base + a + b
    })
    const asynchronous = scope.requireTenant(async (text: string) => {
      await turn()
      return `${text} ${scope.current().tenant.slug}`
    })
    assert.throws(() => plain.call({ base: 1 }, 2, 3), NoTenantError)
    assert.throws(() => asynchronous('hello'), NoTenantError)
    assert.equal(ran, 0)
    await scope.run(bob, async () => {
      assert.equal(plain.call({ base: 1 }, 2, 3), 6)
      assert.equal(await asynchronous('hello'), 'hello bob')
    })
  })

  test('a method refuses too, by the decorator called by hand', async () => {
    const { scope } = scopeUnderTest()
    class Documents {
      readonly #prefix = 'doc'
      read(id: number) {
        return `${this.#prefix} ${id} of ${scope.current().tenant.slug}`
      }
    }
    const decorated = scope.requireTenant(Documents.prototype.read, { kind: 'method', name: 'read' } as ClassMethodDecoratorContext)
    Documents.prototype.read = decorated
    assert.throws(() => new Documents().read(1), NoTenantError)
    assert.equal(
      scope.run(bob, () => new Documents().read(1)),
      'doc 1 of bob',
    )
  })

  test('a generator’s body runs in the scope of its call, whoever pulls', () => {
    const { scope } = scopeUnderTest()
    const seen: string[] = []
    const rows = scope.requireTenant(function* (count: number): Generator<string, string, string | undefined> {
      try {
        for (let index = 0; index < count; index += 1) seen.push((yield scope.current().tenant.slug) ?? '-')
        return `done ${scope.current().tenant.slug}`
      } finally {
        seen.push(`end ${scope.current().tenant.slug}`)
      }
    })
    assert.throws(() => rows(1), NoTenantError)
    const pulled = scope.run(bob, () => rows(2))
    assert.deepEqual(pulled.next(), { value: 'bob', done: false })
    scope.run(carol, () => {
      assert.deepEqual(pulled.next('x'), { value: 'bob', done: false })
      assert.equal(scope.current(), carol)
      assert.deepEqual(pulled.next('y'), { value: 'done bob', done: true })
    })
    assert.deepEqual(seen, ['x', 'y', 'end bob'])
    const left = scope.run(bob, () => rows(5))
    scope.run(carol, () => {
      for (const slug of left) {
        assert.equal(slug, 'bob')
        break
      }
    })
    assert.equal(seen.at(-1), 'end bob')
    const thrown = scope.run(bob, () => rows(5))
    thrown.next()
    scope.run(carol, () => assert.throws(() => thrown.throw(new InvalidInputError('no')), InvalidInputError))
    assert.equal(seen.at(-1), 'end bob')
    assert.deepEqual(
      scope.run(carol, () => [...scope.run(carol, () => rows(2))]),
      ['carol', 'carol'],
    )
  })

  test('an async generator’s body runs in the scope of its call, whoever pulls, however it ends', async () => {
    const { scope } = scopeUnderTest()
    const ends: string[] = []
    const rows = scope.requireTenant(async function* (count: number) {
      try {
        for (let index = 0; index < count; index += 1) {
          await turn()
          yield scope.current().tenant.slug
        }
      } finally {
        await turn()
        ends.push(scope.current().tenant.slug)
      }
    })
    assert.throws(() => rows(1), NoTenantError)
    const stream = scope.run(bob, () => rows(3))
    await scope.run(carol, async () => {
      for await (const slug of stream) {
        assert.equal(slug, 'bob')
        assert.equal(scope.current(), carol)
      }
    })
    const left = scope.run(bob, () => rows(3))
    for await (const slug of left) {
      assert.equal(slug, 'bob')
      break
    }
    const several = scope.run(bob, () => rows(3))
    const pulls = await scope.run(carol, () => Promise.all([several.next(), several.next(), several.next(), several.next()]))
    assert.deepEqual(
      pulls.map((pull) => pull.value),
      ['bob', 'bob', 'bob', undefined],
    )
    const delegating = scope.run(carol, () =>
      scope.requireTenant(async function* () {
        yield* scope.requireTenant(async function* () {
          yield scope.current().tenant.slug
        })()
        yield scope.current().tenant.slug
      })(),
    )
    const all: string[] = []
    for await (const slug of delegating) all.push(slug)
    assert.deepEqual(all, ['carol', 'carol'])
    assert.deepEqual(ends, ['bob', 'bob', 'bob'])
  })

  test('without the wrapper an async generator takes its puller’s tenant: the danger is real', async () => {
    const { scope } = scopeUnderTest()
    const rows = async function* () {
      yield scope.tryCurrent()
    }
    const stream = scope.run(bob, () => rows())
    assert.equal((await scope.run(carol, () => stream.next())).value, carol)
  })
})

describe('bind', () => {
  test('a bound listener runs for whoever registered it, not for whoever emits', () => {
    const { scope } = scopeUnderTest()
    const emitter = new EventEmitter()
    const seen: (TenantContext | undefined)[] = []
    const loose: (TenantContext | undefined)[] = []
    scope.run(bob, () => {
      emitter.on(
        'row',
        scope.bind(() => seen.push(scope.current())),
      )
      emitter.on('row', () => loose.push(scope.tryCurrent()))
    })
    emitter.emit('row')
    scope.run(carol, () => {
      emitter.emit('row')
      assert.equal(scope.current(), carol)
    })
    assert.deepEqual(seen, [bob, bob])
    assert.deepEqual(loose, [undefined, carol], 'without bind the emitter’s tenant is taken')
  })

  test('a bound callback of a shared timer or queue runs for whoever queued it', async () => {
    const { scope } = scopeUnderTest()
    const queue: (() => string)[] = []
    let flushed: Promise<string[]> | undefined
    const enqueue = (job: () => string) => {
      queue.push(job)
      flushed ??= new Promise((resolve) => setTimeout(() => resolve(queue.map((each) => each())), 0))
    }
    const slug = () => scope.current().tenant.slug
    scope.run(bob, () => enqueue(scope.bind(slug)))
    scope.run(carol, () => enqueue(scope.bind(slug)))
    assert.deepEqual(await flushed, ['bob', 'carol'])
  })

  test('bind keeps this, arguments, result and failure, and needs a tenant', () => {
    const { scope } = scopeUnderTest()
    assert.throws(() => scope.bind(() => 1), NoTenantError)
    const bound = scope.run(bob, () =>
      scope.bind(function (this: { base: number }, a: number) {
        if (a < 0) throw new InvalidInputError('no')
        return this.base + a
      }),
    )
    assert.equal(bound.call({ base: 1 }, 2), 3)
    assert.throws(() => bound.call({ base: 1 }, -1), InvalidInputError)
    assert.equal(scope.tryCurrent(), undefined)
  })
})

describe('acrossTenants', () => {
  const reason = 'monthly report over all tenants'

  test('it is recorded first, and inside it there is no tenant until one is entered', async () => {
    const { scope, trail } = scopeUnderTest()
    const result = await scope.acrossTenants({ reason, actor: { kind: 'staff', id: 'alice' }, requestId: 'r1' }, async () => {
      assert.equal(trail.events().length, 1)
      assert.throws(() => scope.current(), NoTenantError)
      assert.equal(scope.tryCurrent(), undefined)
      const seen: string[] = []
      for (const context of [bob, carol]) await scope.run(context, async () => seen.push(scope.current().tenant.slug))
      return seen
    })
    assert.deepEqual(result, ['bob', 'carol'])
    assert.deepEqual(trail.events(), [
      {
        action: 'tenancy.across_tenants',
        outcome: 'allowed',
        actor: { kind: 'staff', id: 'alice' },
        tenantId: undefined,
        requestId: 'r1',
        reason,
      },
    ])
  })

  test('from inside a tenant it says who and where, and the tenant is back afterwards', async () => {
    const { scope, trail } = scopeUnderTest()
    await scope.run(bob, async () => {
      await scope.acrossTenants({ reason }, () => scope.run(carol, () => assert.equal(scope.current(), carol)))
      assert.equal(scope.current(), bob)
    })
    const [event] = trail.events()
    assert.deepEqual([event?.actor, event?.tenantId, event?.requestId], [bob.actor, bob.tenant.id, 'rb'])
  })

  test('the licence ends where a tenant was entered: from there another tenant is refused again', async () => {
    const { scope } = scopeUnderTest()
    await scope.acrossTenants({ reason }, () =>
      scope.run(bob, () => assert.throws(() => scope.run(carol, () => undefined), WrongTenantError)),
    )
  })

  test('when it cannot be recorded, it does not happen', async () => {
    const scope = new TenantScope({ record: () => Promise.reject(new DatabaseUnavailableError('down')) })
    let ran = false
    await assert.rejects(
      scope.acrossTenants({ reason }, () => {
        ran = true
      }),
      DatabaseUnavailableError,
    )
    assert.equal(ran, false)
  })

  test('without a reason it is refused', async () => {
    const { scope, trail } = scopeUnderTest()
    const refused = [undefined, {}, { reason: '' }, { reason: '   short    ' }, { reason: 7 }, { reason: ['a', 'long', 'enough', 'list'] }]
    for (const options of refused) {
      await assert.rejects(
        scope.acrossTenants(options as { reason: string }, () => undefined),
        InvalidInputError,
      )
    }
    assert.deepEqual(trail.events(), [])
  })
})
