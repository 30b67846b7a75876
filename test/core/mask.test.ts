import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedMask, type MaskRule } from '../../src/core/mask.ts'
import { type MaskableColumn, maskPlan } from '../../src/core/mask-plan.ts'
import { maskOf, misfitOf } from '../../src/core/mask-values.ts'
import { looksPersonal } from '../../src/core/personal-columns.ts'
import { InvalidInputError } from '../../src/errors.ts'

const key = Buffer.alloc(32, 1)
const column = (type = 'text', isNullable = true) => ({ table: 'people', column: 'it', type, isNullable })
const masked = (rule: MaskRule, value: string | null, type = 'text', over: Uint8Array = key) =>
  maskOf(rule, column(type), { key: over, masks: { loud: (text) => text?.toUpperCase() ?? null } })(value)

test('equal values are masked equally, and another key gives other values', () => {
  for (const rule of ['hash', 'email'] as const) {
    assert.equal(masked(rule, 'ada@acme.example'), masked(rule, 'ada@acme.example'))
    assert.notEqual(masked(rule, 'ada@acme.example'), masked(rule, 'bob@acme.example'))
    assert.notEqual(masked(rule, 'ada@acme.example'), masked(rule, 'ada@acme.example', 'text', Buffer.alloc(32, 2)))
  }
})

test('what comes out fits the type of its column', () => {
  assert.match(masked('hash', 'x') ?? '', /^[0-9a-f]{32}$/)
  assert.match(masked('hash', 'x', 'character varying(8)') ?? '', /^[0-9a-f]{8}$/)
  assert.match(
    masked('hash', '018f0000-0000-7000-8000-000000000000', 'uuid') ?? '',
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  assert.ok(BigInt(masked('hash', '5', 'bigint') ?? '') < 2n ** 63n)
  assert.match(masked('email', 'ada@acme.example') ?? '', /^[0-9a-f]{20}@example\.invalid$/)
  assert.match(masked('name', 'Grace Hopper') ?? '', /^[A-Z][a-z]+ [A-Z][a-z]+$/)
  assert.equal(masked('name', 'Grace Hopper', 'character varying(4)')?.length, 4)
  assert.equal(masked('text', 'Grüße 😀')?.length, 7)
  assert.equal(masked('text', ''), '')
  assert.equal(masked({ custom: 'loud' }, 'x'), 'X')
  const moved = masked({ noise: 10 }, '1000.00', 'numeric(10,2)') ?? ''
  assert.match(moved, /^\d+\.\d\d$/)
  assert.ok(Math.abs(Number(moved) - 1000) <= 100)
  assert.equal(masked({ noise: 10 }, 'NaN', 'numeric'), 'NaN')
})

test('NULL stays NULL, but for a fixed value', () => {
  for (const rule of ['hash', 'email', 'name', 'text', 'keep', 'null', { custom: 'loud' }] as const) assert.equal(masked(rule, null), null)
  assert.equal(masked({ noise: 10 }, null, 'integer'), null)
  assert.equal(masked({ fixed: 'x' }, null), 'x')
  assert.equal(masked('null', 'x'), null)
})

test('a rule that does not fit its column is known before a row is read', () => {
  const misfits: readonly (readonly [MaskRule, string])[] = [
    ['hash', 'integer'],
    ['hash', 'jsonb'],
    ['email', 'uuid'],
    ['email', 'character varying(20)'],
    ['name', 'text[]'],
    ['text', 'timestamp with time zone'],
    [{ noise: 5 }, 'text'],
    [{ custom: 'ghost' }, 'text'],
    [{ custom: 'toString' }, 'text'],
  ]
  for (const [rule, type] of misfits) assert.notEqual(misfitOf(rule, column(type), {}), undefined, `${JSON.stringify(rule)} ${type}`)
  assert.notEqual(misfitOf('null', column('text', false), {}), undefined)
  assert.equal(misfitOf('null', column('jsonb'), {}), undefined)
  assert.equal(misfitOf('email', column('citext'), {}), undefined)
})

test('a mask has known rules and nothing else, and its values stay out of the message', () => {
  assert.deepEqual(checkedMask({ 'a.b': 'hash', 'a.c': { fixed: '' }, 'a.d': { noise: 5 } }), {
    'a.b': 'hash',
    'a.c': { fixed: '' },
    'a.d': { noise: 5 },
  })
  for (const rule of [
    'HASH',
    'secret-value',
    { fixed: 1 },
    { noise: 0 },
    { noise: 101 },
    { fixed: 'secret-value', noise: 1 },
    {},
    [],
    null,
  ]) {
    assert.throws(
      () => checkedMask({ 'a.b': rule }),
      (error: Error) => error instanceof InvalidInputError && !error.message.includes('secret-value'),
    )
  }
  assert.throws(() => checkedMask([]), InvalidInputError)
})

test('names of columns that look personal, and of some that do not', () => {
  const personal = [
    'email',
    'work_email',
    'firstName',
    'name',
    'phone_2',
    'billing_address',
    'iban',
    'zip_code',
    'ip',
    'date_of_birth',
    'passwordHash',
    'api_key',
  ]
  for (const name of personal) assert.ok(looksPersonal(name, 'text'), name)
  for (const name of ['title', 'status', 'filename_extension', 'emailing', 'mailbox_count']) assert.ok(!looksPersonal(name, 'text'), name)
  assert.ok(!looksPersonal('email_sent_at', 'timestamp with time zone'))
  assert.ok(!looksPersonal('has_phone', 'boolean'))
  assert.ok(!looksPersonal('person_id', 'uuid'))
  assert.ok(looksPersonal('birth_date', 'date'))
  assert.ok(looksPersonal('passport_id', 'text'))
})

const columns: readonly MaskableColumn[] = [
  { ...column('uuid', false), column: 'tenant_id', isFixed: true },
  { ...column('text', false), column: 'email', isFixed: false },
  { ...column(), column: 'nick', isFixed: false },
  { ...column(), table: 'posts', column: 'author', isFixed: false },
]
const plan = (mask: Record<string, MaskRule>, allowsUnmasked = false) =>
  maskPlan(columns, [{ from: 'posts.author', to: 'people.nick' }], { mask, allowsUnmasked, masks: {} })

test('a column that looks personal needs a rule, or somebody who says otherwise', () => {
  assert.throws(
    () => plan({}),
    (error: Error) =>
      error instanceof InvalidInputError && /people\.email/.test(error.message) && /--unmasked people\.email/.test(error.message),
  )
  assert.deepEqual([...plan({ 'people.email': 'keep' })], [])
  assert.deepEqual([...plan({}, true)], [])
  assert.deepEqual([...plan({ 'people.email': 'email' })], [['people.email', 'email']])
})

test('a rule for a column that is not there, of the tenant’s, or of one end of a reference alone is refused', () => {
  const email = { 'people.email': 'email' } as const
  for (const mask of [
    { 'people.ghost': 'hash' },
    { 'people.tenant_id': 'hash' },
    { 'people.nick': 'hash' },
    { 'posts.author': 'hash' },
  ] as const) {
    assert.throws(() => plan({ ...email, ...mask }), InvalidInputError)
  }
  assert.equal(plan({ ...email, 'people.nick': 'hash', 'posts.author': 'hash' }).size, 3)
  assert.equal(plan({ ...email, 'posts.author': 'null' }).size, 2)
})
