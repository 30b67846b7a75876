// What S3 does with an address that was signed (Signature Version 4 in the query), over objects in memory: written after
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html and nothing of the client that signs.

import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

interface Signer {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** @returns its address. Buckets are in the path. */
export async function sigv4Server(t: Pick<TestContext, 'after'>, signer: Signer): Promise<string> {
  const objects = new Map<string, Buffer>()
  const server = createServer(async (request, response) => {
    const sent: Buffer[] = []
    for await (const piece of request) sent.push(piece as Buffer)
    const body = Buffer.concat(sent)
    const [path = ''] = (request.url ?? '').split('?')
    const found = objects.get(path)
    const refusal = refusalOf(request, signer) ?? (request.method === 'PUT' ? checksumRefusalOf(request, body) : undefined)
    if (refusal !== undefined) return response.writeHead(403).end(refusal)
    if (request.method === 'PUT') {
      objects.set(path, body)
      return response.writeHead(200).end()
    }
    return found === undefined ? response.writeHead(404).end() : response.writeHead(200).end(found)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

function refusalOf(request: IncomingMessage, { accessKeyId, secretAccessKey }: Signer): string | undefined {
  const [path = '', search = ''] = (request.url ?? '').split('?')
  const query = new URLSearchParams(search)
  const given = (name: string): string => query.get(name) ?? ''
  const [id, day = '', region = '', service = '', end] = given('X-Amz-Credential').split('/')
  if (given('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256' || id !== accessKeyId || end !== 'aws4_request')
    return 'AuthorizationQueryParametersError'
  const at = given('X-Amz-Date')
  const signedAt = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const canonicalQuery = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&')
  const names = given('X-Amz-SignedHeaders').split(';')
  if (!names.includes('host')) return 'AccessDenied: the host is not signed'
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`).join('')
  const canonicalPath = path
    .split('/')
    .map((each) => encoded(decodeURIComponent(each)))
    .join('/')
  const canonical = [request.method, canonicalPath, canonicalQuery, headers, names.join(';'), 'UNSIGNED-PAYLOAD'].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = `AWS4-HMAC-SHA256\n${at}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${secretAccessKey}`)
  if (hmac(key, text).toString('hex') !== given('X-Amz-Signature')) return 'SignatureDoesNotMatch'
  const isOver = Date.now() > signedAt + Number(given('X-Amz-Expires')) * 1_000
  return isOver ? 'AccessDenied: Request has expired' : undefined
}

/** A checksum in the address is one of what is sent: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
function checksumRefusalOf(request: IncomingMessage, body: Buffer): string | undefined {
  const query = new URLSearchParams((request.url ?? '').split('?')[1])
  return query.get('x-amz-checksum-crc32') === 'AAAAAA==' && body.byteLength > 0 ? 'BadDigest' : undefined
}
