// A process of its own that handles one event: it writes a note, and stops before or after the commit. Then it is killed. Arguments: JSON.

import { writeSync } from 'node:fs'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import { eventSubscriber, on } from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { anything } from './schemas.ts'

export interface EventsProcess {
  readonly catalog: string
  readonly database: string
  /** Is it killed before the effect is committed, or before the consumer has been told of it? */
  readonly stops: 'before the commit' | 'after the commit'
}

const { catalog, database, stops } = JSON.parse(process.argv[2] ?? '{}') as EventsProcess
const events = { source: 'test', keys: fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }]) }
const tenancy = await createTenancy({ catalog, database, events })
const created = tenantEvent('document.created', anything<string>())
const subscriber = eventSubscriber('effect', [
  on(created, async ({ data }, { tx, context, attempt }) => {
    if (data === 'second') {
      // The first one is committed, and nobody has tidied it away: they are of one batch.
      writeSync(1, 'done\n')
      await new Promise(() => {})
    }
    await tx.query('insert into notes (tenant_id, title) values ($1, $2)', [context.tenant.id, `${data} ${process.pid} ${attempt}`])
    if (stops === 'before the commit') {
      writeSync(1, 'done\n')
      await new Promise(() => {})
    }
  }),
])
tenancy.startConsumer({ subscribers: [subscriber], pollMs: 20 })
