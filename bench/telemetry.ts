// What logs, metrics, traces and usage meters cost a service: requests per second with all of them over the same service with a plain
// logger and none of the rest. Each request is verified, reads the tenant's latest twenty documents, and writes three lines.

import { Agent, request } from 'node:http'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import { pino } from 'pino'
import { header } from '../src/core/hints.ts'
import { issueToken, jwt } from '../src/identity/jwt.ts'
import { logSerializers, tenancyPlugin } from '../src/middleware/fastify.ts'
import { tracingObserver } from '../src/telemetry/opentelemetry.ts'
import { tenantLogging } from '../src/telemetry/pino.ts'
import { tenancyMetrics } from '../src/telemetry/prometheus.ts'
import { createTenancy } from '../src/tenancy.ts'
import type { TenancyOptions } from '../src/tenancy-options.ts'
import type { BenchDatabase } from './database.ts'
import { quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const key = {
  algorithm: 'HS256',
  key: new TextEncoder().encode('a secret of the benchmark that has more than 32 bytes'),
  issuer: 'https://issuer.example',
  audience: 'documents',
} as const

const requests = 2_000
const clients = 16

export async function telemetry({ site }: BenchDatabase, { rounds }: RunOptions): Promise<BenchmarkResult> {
  const metrics = tenancyMetrics({ tenantsMax: 50 })
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const open = async (options: Partial<TenancyOptions>, hasTenantLogging: boolean) => {
    const tenancy = await createTenancy({ catalog: site.urls.gatekeeper, database: site.urls.app, ...options })
    // Lines are made and written, and nobody waits for a disk.
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    const log = pino({ ...(hasTenantLogging && tenantLogging({ tenancy })), serializers: logSerializers }, nowhere)
    const app = Fastify({ loggerInstance: log })
    await app.register(tenancyPlugin, { tenancy, identity: jwt(key), hints: [header()] })
    app.get('/documents', async (request) => {
      const { rows } = await tenancy.query('select id, title, created_at from app.documents order by created_at desc limit 20')
      request.log.info({ documents: rows.length, state: 'listed' }, 'listed the latest')
      return rows
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    return { tenancy, app, url }
  }
  const plain = await open({}, false)
  const full = await open({ observers: [metrics.observer, tracingObserver()], usage: {} }, true)
  try {
    const ids = site.tenantIds.slice(0, 100)
    const tokens = await Promise.all(ids.map((id) => issueToken({ ...key, subject: 'alice', tenants: [id], ttlSec: 36_000 })))
    const elapsed = async ({ url }: typeof plain): Promise<number> => {
      let left = requests
      const loop = async () => {
        while (left-- > 0) {
          const status = await get(url, agent, `Bearer ${tokens[left % tokens.length]}`)
          if (status !== 200) throw new RangeError(`The service answered ${status}.`)
        }
      }
      const start = performance.now()
      await Promise.all(Array.from({ length: clients }, loop))
      return performance.now() - start
    }
    const ratios: number[] = []
    for (let round = -1; round < rounds; round++) {
      const [first, second] = round % 2 === 0 ? [full, plain] : [plain, full]
      const [one, two] = [await elapsed(first), await elapsed(second)]
      // The first warms both up.
      if (round >= 0) ratios.push(round % 2 === 0 ? two / one : one / two)
    }
    return {
      benchmark: 'telemetry',
      ratios: { 'all of it/plain logger alone': quartiles(ratios) },
      notes: [`${requests} requests a round, ${clients} at once, 100 tenants, over keep-alive connections of the same process`],
    }
  } finally {
    metrics.close()
    agent.destroy()
    for (const { app, tenancy } of [plain, full]) {
      await app.close()
      await tenancy.close()
    }
  }
}

function get(url: string, agent: Agent, authorization: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/documents`, { agent, headers: { authorization } }, (answer) => {
      answer.on('end', () => resolve(answer.statusCode)).resume()
    })
    sent.on('error', reject)
    sent.end()
  })
}
