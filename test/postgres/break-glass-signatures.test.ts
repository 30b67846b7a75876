// A grant is two people's: what one of them, or the owner of the catalog, can do alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { approvalText, requestText, signText } from '../../src/core/break-glass-documents.ts'
import { BreakGlassRefusedError, ConstraintError, InvalidInputError } from '../../src/errors.ts'
import { anyId, type Emergency, emergency, keyOf, operator, person } from '../support/break-glass.ts'

const countNotes = 'select count(*)::int as count, count(distinct tenant_id)::int as tenants from notes'

test('nobody approves what they asked for themselves, and nothing is decided twice', async (t) => {
  const set = await emergency(t)
  const { id } = await set.requested()
  await assert.rejects(set.breakGlass.approve(id, set.ada), BreakGlassRefusedError)
  await assert.rejects(set.breakGlass.approve(id, { staff: 'grace', key: set.ada.key }), BreakGlassRefusedError)
  await set.breakGlass.approve(id, set.grace)
  const linus = person('linus')
  await set.staff.add({ id: 'linus', name: 'Linus', publicKey: linus.publicKey }, operator)
  await assert.rejects(set.breakGlass.approve(id, linus), BreakGlassRefusedError)
  await assert.rejects(set.breakGlass.deny(id, linus), BreakGlassRefusedError)
})

test('two who approve at the same time: one does', async (t) => {
  const set = await emergency(t)
  const linus = person('linus')
  await set.staff.add({ id: 'linus', name: 'Linus', publicKey: linus.publicKey }, operator)
  const { id } = await set.requested()
  const answers = await Promise.allSettled([set.breakGlass.approve(id, set.grace), set.breakGlass.approve(id, linus)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})

test('whoever can write the catalog, with every trigger off, and has no key cannot make a grant', async (t) => {
  const set = await emergency(t)
  const use = (id: string) => set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes))
  // Straight in the catalog: approved by grace, with a signature that is none; with ada's own; with one of another grant.
  const other = await set.granted()
  for (const signature of ['A'.repeat(86), 'ada', other.decisionSignature!]) {
    const { id } = await set.requested()
    const asked = (await set.store.find(id))!
    const at = new Date()
    const own = signText(
      keyOf(set.ada),
      approvalText(asked, { kind: 'approved', by: 'grace', at, requestSignature: asked.requestSignature }),
    )
    await forge(
      set,
      `update partywall.break_glass_grants set state = 'approved', decided_by = 'grace', decided_at = $2,
         decision_signature = $3, expires_at = $2::timestamptz + minutes * interval '1 minute' where id = $1`,
      [id, at, signature === 'ada' ? own : signature],
    )
    await assert.rejects(use(id), /does not have the signature of grace/)
  }
  // A colleague who is in the catalog alone, and really signs.
  const mallory = person('mallory')
  await forge(set, `insert into partywall.staff (id, name, public_key, added_by) values ('mallory', 'Mallory', $1, 'nobody')`, [
    mallory.publicKey,
  ])
  const { id } = await set.requested()
  const asked = (await set.store.find(id))!
  const at = new Date()
  const signed = signText(
    keyOf(mallory),
    approvalText(asked, { kind: 'approved', by: 'mallory', at, requestSignature: asked.requestSignature }),
  )
  await forge(
    set,
    `update partywall.break_glass_grants set state = 'approved', decided_by = 'mallory', decided_at = $2,
       decision_signature = $3, expires_at = $2::timestamptz + minutes * interval '1 minute' where id = $1`,
    [id, at, signed],
  )
  await assert.rejects(use(id), /is not the one in the secret store/)
  // Ada's own approval: the table refuses it, and without the table's rule the process does.
  const ownAt = new Date()
  const ownSign = signText(
    keyOf(set.ada),
    approvalText(asked, { kind: 'approved', by: 'ada', at: ownAt, requestSignature: asked.requestSignature }),
  )
  const byHerself = `update partywall.break_glass_grants set state = 'approved', decided_by = 'ada', decided_at = $2,
     decision_signature = $3, expires_at = $2::timestamptz + minutes * interval '1 minute' where id = $1`
  await assert.rejects(forge(set, byHerself, [id, ownAt, ownSign]), /two_people/)
  await forge(set, 'alter table partywall.break_glass_grants drop constraint break_glass_grants_two_people_check')
  await forge(set, byHerself, [id, ownAt, ownSign])
  await assert.rejects(use(id), /Nobody decides on what they asked for themselves/)
})

test('a grant that is edited in the catalog, or written there again under another id, opens nothing', async (t) => {
  const set = await emergency(t)
  const edits: readonly (readonly [string, readonly unknown[]])[] = [
    ['tenant_id = $2', [set.carol.id]],
    [`scope = 'read_write'`, []],
    [`minutes = 240, expires_at = decided_at + interval '240 minutes'`, []],
    [`reason = 'Something quite different'`, []],
    [`ticket = 'SUP-1'`, []],
    [`id = $2`, [anyId()]],
    [`decided_at = decided_at + interval '1 minute', expires_at = expires_at + interval '1 minute'`, []],
    [`requested_by = 'grace', decided_by = 'ada'`, []],
  ]
  for (const [change, values] of edits) {
    const { id } = await set.granted()
    await forge(set, `update partywall.break_glass_grants set ${change} where id = $1`, [id, ...values])
    const now = change.startsWith('id') ? String(values[0]) : id
    await assert.rejects(
      set.tenancy.breakGlass(now, set.ada, () => set.tenancy.query(countNotes)),
      BreakGlassRefusedError,
      change,
    )
    await assert.rejects(
      set.tenancy.breakGlass(now, set.grace, () => set.tenancy.query(countNotes)),
      BreakGlassRefusedError,
      change,
    )
  }
  // What the table itself says to the owner, as long as its trigger stands.
  const { id } = await set.granted()
  const asOwner = (text: string) => set.aliceInCatalog(text, [id])
  await assert.rejects(asOwner(`update partywall.break_glass_grants set minutes = 240 where id = $1`), /never changes/)
  await assert.rejects(asOwner(`update partywall.break_glass_grants set expires_at = now() where id = $1`), /never changes/)
  await assert.rejects(asOwner(`delete from partywall.break_glass_grants where id = $1`), /none is deleted/)
})

test('what is over is said to be so, once, where grants are listed', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  await forge(
    set,
    `update partywall.break_glass_grants set decided_at = decided_at - interval '1 hour', expires_at = expires_at - interval '1 hour' where id = $1`,
    [id],
  )
  const listed = await set.breakGlass.list({ tenantId: set.bob.id })
  assert.deepEqual(
    listed.map((grant) => [grant.id, grant.state]),
    [[id, 'expired']],
  )
  assert.deepEqual(await set.breakGlass.list({ tenantId: set.bob.id, isLive: true }), [])
  assert.equal(set.events.filter(({ action }) => action === 'break_glass.expire').length, 1)
})

test('a person who is removed opens nothing, and what they approved is worth nothing, even when the catalog says that they are back', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  const use = () => set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes))
  await use()
  await set.staff.remove('grace', operator)
  await assert.rejects(use(), /grace is not of the staff any more/)
  await forge(set, `update partywall.staff set removed_at = null where id = 'grace'`)
  await assert.rejects(use(), /is not the one in the secret store/)
  await assert.rejects(set.staff.add({ id: 'grace', name: 'Grace', publicKey: set.grace.publicKey }, operator), ConstraintError)
})

test('what is asked for has bounds, in the process and in the database', async (t) => {
  const set = await emergency(t)
  for (const wish of [
    { minutes: 0 },
    { minutes: 241 },
    { minutes: 1.5 },
    { reason: 'short' },
    { ticket: ' ' },
    { scope: 'all' as never },
  ]) {
    await assert.rejects(set.requested(wish), InvalidInputError)
  }
  const base = {
    id: anyId(),
    tenantId: set.bob.id,
    scope: 'read_only' as const,
    reason: 'long enough a reason',
    ticket: 'T',
    requestedBy: 'ada',
  }
  for (const [minutes, requestedAt] of [
    [241, new Date()],
    [5, new Date(Date.now() + 3_600_000)],
    [5, new Date(Date.now() - 3_600_000)],
  ] as const) {
    const request = { ...base, minutes, requestedAt }
    await assert.rejects(
      set.store.request({ ...request, requestSignature: signText(keyOf(set.ada), requestText(request)) }),
      ConstraintError,
    )
  }
})

/** Straight in the catalog, past every trigger: as its owner could. */
async function forge(set: Emergency, text: string, values: readonly unknown[] = []): Promise<void> {
  await set.aliceInCatalog('alter table partywall.break_glass_grants disable trigger user')
  try {
    await set.aliceInCatalog(text, values)
  } finally {
    await set.aliceInCatalog('alter table partywall.break_glass_grants enable trigger user')
  }
}
