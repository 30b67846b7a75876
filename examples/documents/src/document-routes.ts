// /api/documents

import { type FastifyPluginCallbackTypebox, Type } from '@fastify/type-provider-typebox'
import type { Tenancy } from 'partywall'
import { countDocuments, createDocument, deleteDocument, getDocument, listDocuments, updateDocument } from './document-store.ts'
import {
  count,
  document,
  documentChange,
  documentPage,
  documentQuery,
  documentWithAuthor,
  idParams,
  newDocument,
  problem,
} from './schemas.ts'
import { authorOf } from './user-store.ts'

/** @see docs of each route in /openapi.json */
export const documentRoutes: FastifyPluginCallbackTypebox<{ readonly tenancy: Tenancy }> = (app, { tenancy }, done) => {
  const refused = { '4xx': problem, '5xx': problem }

  app.post(
    '/',
    { schema: { summary: 'Create a document', body: newDocument, response: { 201: document, ...refused } } },
    async (request, reply) => {
      const created = await createDocument(tenancy, request.body)
      return await reply.code(201).header('location', `/api/documents/${created.id}`).send(created)
    },
  )

  app.get(
    '/',
    {
      schema: {
        summary: 'List or search documents, newest first',
        querystring: documentQuery,
        response: { 200: documentPage, ...refused },
      },
    },
    async (request) => {
      const { rows, nextCursor } = await listDocuments(tenancy, request.query)
      return { documents: [...rows], nextCursor }
    },
  )

  app.get(
    '/count',
    {
      schema: {
        summary: 'Count documents',
        querystring: Type.Object({}, { additionalProperties: false }),
        response: { 200: count, ...refused },
      },
    },
    async () => ({ count: await countDocuments(tenancy) }),
  )

  app.get(
    '/:id',
    { schema: { summary: 'Get a document', params: idParams, response: { 200: documentWithAuthor, ...refused } } },
    async (request) => {
      const found = await getDocument(tenancy, request.params.id)
      return { ...found, author: await authorOf(tenancy, found) }
    },
  )

  app.patch(
    '/:id',
    { schema: { summary: 'Change a document', params: idParams, body: documentChange, response: { 200: document, ...refused } } },
    async (request) => await updateDocument(tenancy, request.params.id, request.body),
  )

  app.delete(
    '/:id',
    { schema: { summary: 'Delete a document', params: idParams, response: { 204: Type.Null(), ...refused } } },
    async (request, reply) => {
      await deleteDocument(tenancy, request.params.id)
      return await reply.code(204).send(null)
    },
  )

  done()
}
