// /api/audit: a tenant's own log, for the tenant's own eyes.

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { Tenancy } from 'partywall'
import { auditPage, auditQuery, problem } from './schemas.ts'

export const auditRoutes: FastifyPluginCallbackTypebox<{ readonly tenancy: Tenancy }> = (app, { tenancy }, done) => {
  const refused = { '4xx': problem, '5xx': problem }

  app.get(
    '/',
    {
      schema: {
        summary: 'List accesses of this tenant’s data, newest first',
        querystring: auditQuery,
        response: { 200: auditPage, ...refused },
      },
    },
    async ({ query: { limit = '20', cursor: before, outcome } }) => {
      const { entries, next } = await tenancy.audit.list({ limit: Number(limit), before, outcome })
      return { entries: [...entries], nextCursor: next ?? null }
    },
  )

  done()
}
