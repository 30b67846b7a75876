import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { auditTrailConformance } from './audit-trail-conformance.ts'

auditTrailConformance('memory audit trail', async () => {
  const trail = new MemoryAuditTrail()
  return { trail, events: async () => trail.events() }
})

test('the memory audit trail is bounded: the oldest events go first', async () => {
  const trail = new MemoryAuditTrail({ eventsMax: 3 })
  for (let index = 0; index < 5; index += 1) {
    await trail.record({
      action: `step.number${index}`,
      outcome: 'allowed',
      actor: undefined,
      tenantId: undefined,
      requestId: undefined,
      reason: undefined,
    })
  }
  assert.deepEqual(
    trail.events().map((event) => event.action),
    ['step.number2', 'step.number3', 'step.number4'],
  )
})
