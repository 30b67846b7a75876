// What `partywall dev` needs to know of an application: its migrations, how to start it, what to fill it with for a
// demonstration, and where the live self-check may try to cross the wall.

import type { IdentityProvider, Tenancy, Tenant } from 'partywall'
import { createDocument } from './document-store.ts'
import { createService } from './documents-service.ts'
import { createUser } from './user-store.ts'

/** Names the database, and the audience of tokens. */
export const name = 'documents'

/** Numbered SQL files, run as the migrator. */
export const migrations = new URL('../migrations/', import.meta.url)

/** A collection of the API, a document for it that carries a mark, and the table and column where the mark comes to rest. */
export const probe = {
  collection: '/api/documents',
  sample: (mark: string) => ({ title: mark, content: `Nobody else may read ${mark}.` }),
  table: 'documents',
  column: 'title',
}

/** Starts the service. Port 0 is any free one. */
export async function start(options: {
  readonly tenancy: Tenancy
  readonly identity: IdentityProvider | readonly IdentityProvider[]
  readonly host: string
  readonly port: number
}): Promise<{ readonly url: string; close(): Promise<void> }> {
  const service = await createService(options)
  const url = await service.listen({ host: options.host, port: options.port })
  return { url, close: () => service.close() }
}

const seeds = ['Welcome', 'Roadmap', 'Budget', 'Hiring plan', 'Minutes of the board']

/** Gives a tenant without documents a few of its own. */
export async function seed(tenancy: Tenancy, tenant: Tenant): Promise<void> {
  await tenancy.run(tenant.id, async () => {
    const { rows } = await tenancy.query('select id from documents limit 1')
    if (rows.length > 0) return
    const author = await createUser(tenancy, { email: `ada@${tenant.slug}.example`, name: `Ada of ${tenant.name}` })
    for (const title of seeds) {
      await createDocument(tenancy, { title: `${title} (${tenant.name})`, content: `Confidential to ${tenant.name}.`, authorId: author.id })
    }
  })
}
