// The key/value engine of Vault, version 2, as its HTTP API is documented, with its answers as a real server gives them.

import { isDeepStrictEqual } from 'node:util'
import type { Protocol, ProtocolAnswer, ProtocolRequest } from './protocol-server.ts'

export const vaultToken = 'hvs.T0kenOfTheVault'

interface VaultRules {
  readonly mount: string
  readonly namespace?: string
}

/** @param secrets its content by path below the mount. */
export function vaultProtocol(secrets: Map<string, string>, { mount, namespace }: VaultRules): Protocol {
  const versions = new Map<string, number>()
  return (request, violation) => {
    const { method, path, query } = request
    checkHeaders(request, namespace, violation)
    if (request.headers['x-vault-token'] !== vaultToken) return json(403, { errors: ['permission denied'] })
    const prefix = `/v1/${mount}/`
    if (!path.startsWith(prefix)) return json(404, { errors: [`no handler for route "${path.slice(4)}". route entry not found.`] })
    const [, what, name = ''] = /^(data|metadata)\/(.*)$/.exec(path.slice(prefix.length)) ?? []
    if (!/^[a-z0-9_/-]+$/.test(name)) violation('a name that needs escaping, or none')
    if (what === 'metadata' && query === 'list=true' && method === 'GET') return listed(secrets, name, violation)
    if (query !== '') violation(`query ${query}`)
    if (name.endsWith('/')) violation('a secret with a slash at its end')
    if (what === 'data' && method === 'GET') {
      const value = secrets.get(name)
      if (value === undefined) return json(404, { errors: [] })
      return json(200, { data: { data: JSON.parse(value), metadata: { version: versions.get(name) ?? 1, destroyed: false } } })
    }
    if (what === 'data' && method === 'POST') {
      const version = (versions.get(name) ?? 0) + 1
      versions.set(name, version)
      secrets.set(name, JSON.stringify(checkedData(request, violation)))
      return json(200, { data: { created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false, version } })
    }
    if (what === 'metadata' && method === 'DELETE') {
      versions.delete(name)
      secrets.delete(name)
      return { status: 204 }
    }
    violation('no such call')
    return json(405, { errors: ['unsupported operation'] })
  }
}

function checkHeaders({ method, headers, body }: ProtocolRequest, namespace: string | undefined, violation: (text: string) => void): void {
  if (headers['x-vault-request'] !== 'true') violation('no X-Vault-Request')
  if (headers['x-vault-namespace'] !== namespace) violation(`namespace ${headers['x-vault-namespace']}`)
  if (method !== 'POST' && body !== '') violation('a body')
  if (method === 'POST' && headers['content-type'] !== 'application/json') violation(`content type ${headers['content-type']}`)
}

function checkedData({ body }: ProtocolRequest, violation: (text: string) => void): unknown {
  const parsed = JSON.parse(body)
  const value: unknown = parsed?.data?.value
  if (!isDeepStrictEqual(parsed, { data: { value } }) || typeof value !== 'string') violation('another body than { data: { value } }')
  return parsed.data
}

/** Only what is directly in the folder; folders in it with a slash at their end. */
function listed(secrets: Map<string, string>, folder: string, violation: (text: string) => void): ProtocolAnswer {
  if (!folder.endsWith('/')) violation('a list of what is no folder')
  const below = [...secrets.keys()].filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length))
  const keys = new Set(below.map((rest) => (rest.includes('/') ? `${rest.split('/', 1)[0]}/` : rest)))
  return keys.size === 0 ? json(404, { errors: [] }) : json(200, { data: { keys: [...keys].sort() } })
}

function json(status: number, body: unknown): ProtocolAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
