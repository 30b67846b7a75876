// /api/users

import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { Tenancy } from 'partywall'
import { idParams, newUser, pageQuery, problem, user, userPage } from './schemas.ts'
import { createUser, getUser, listUsers } from './user-store.ts'

export const userRoutes: FastifyPluginCallbackTypebox<{ readonly tenancy: Tenancy }> = (app, { tenancy }, done) => {
  const refused = { '4xx': problem, '5xx': problem }

  app.post('/', { schema: { summary: 'Create a user', body: newUser, response: { 201: user, ...refused } } }, async (request, reply) => {
    const created = await createUser(tenancy, request.body)
    return await reply.code(201).header('location', `/api/users/${created.id}`).send(created)
  })

  app.get(
    '/',
    { schema: { summary: 'List users, newest first', querystring: pageQuery, response: { 200: userPage, ...refused } } },
    async (request) => {
      const { rows, nextCursor } = await listUsers(tenancy, request.query)
      return { users: [...rows], nextCursor }
    },
  )

  app.get(
    '/:id',
    { schema: { summary: 'Get a user', params: idParams, response: { 200: user, ...refused } } },
    async (request) => await getUser(tenancy, request.params.id),
  )

  done()
}
