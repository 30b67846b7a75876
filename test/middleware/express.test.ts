// Express 5 through the suite of all frameworks, and what is its own.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import express, { type Express } from 'express'
import { ConfigurationError } from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { expressTenancy } from '../../src/middleware/express.ts'
import { audience, issuer, secret, watchedDoor } from '../support/door-cast.ts'
import { httpConformance, type TestRoutes } from './http-conformance.ts'

function addRoutes(app: Express, routes: TestRoutes): void {
  app.use(express.json())
  app.get(['/api/me', '/t/:tenant/me'], (_request, response) => void response.json(routes.who()))
  app.get(['/health', '/assets/*path'], (_request, response) => void response.json(routes.health()))
  // A router and an application within, as larger ones have them.
  const api = express.Router()
  api.post('/documents', async (request, response) => void response.json(routes.echo(request.body)))
  api.get('/stray', (_request, _response, next) => routes.stray(next))
  const inner = express()
  inner.get('/stray', (_request, response) => void response.json(routes.who()))
  app.use('/api', api, inner)
  app.post('/webhooks/:tenant', (request, response) => void response.json(routes.echo(request.body)))
  app.get('/api/fail/:how', async (request) => {
    throw routes.fail(request.params.how)
  })
  app.get('/api/stream', (_request, response) => void Readable.from(routes.chunks()).pipe(response))
  app.get('/api/abort', (_request, response) => void response.on('close', () => routes.aborted()))
}

async function listening(app: Express) {
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  return { port: (server.address() as AddressInfo).port, close }
}

httpConformance({
  name: 'Express',
  hasCallbacks: true,
  keepsHeaderLines: true,
  start: async (options, routes) => {
    const app = express()
    const { admit, problems } = expressTenancy(options)
    app.use(admit)
    addRoutes(app, routes)
    app.use([...problems])
    return await listening(app)
  },
})

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const

test('the application may answer errors itself', async (t) => {
  const app = express()
  const { admit } = expressTenancy({ tenancy: watchedDoor(), identity: jwt(key), handleErrors: false })
  app.use(admit, (error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    response.status(599).send((error as { code?: string }).code)
  })
  const server = await listening(app)
  t.after(() => server.close())
  const answer = await fetch(`http://127.0.0.1:${server.port}/`)
  assert.deepEqual([answer.status, await answer.text()], [599, 'PW_IDENTITY_REQUIRED'])
})

test('an Express that is put together in another way serves nobody', async (t) => {
  const app = express()
  const { admit } = expressTenancy({ tenancy: watchedDoor(), identity: jwt(key), handleErrors: false })
  let seen: unknown
  app.use((request, response, next) => {
    Object.defineProperty(request, 'app', { value: { router: { stack: [{}] } } })
    admit(request, response, next)
  })
  app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
    seen = error
    response.status(500).end()
  })
  const server = await listening(app)
  t.after(() => server.close())
  const token = await issueToken({ ...key, subject: 'alice', tenants: ['bob'], ttlSec: 60 })
  await fetch(`http://127.0.0.1:${server.port}/`, { headers: { authorization: `Bearer ${token}` } })
  assert.ok(seen instanceof ConfigurationError)
})
