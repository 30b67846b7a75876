// AWS Secrets Manager as its API reference has it: one path, the call's name in X-Amz-Target, JSON 1.1.

import type { Protocol, ProtocolAnswer, ProtocolRequest } from './protocol-server.ts'

export const awsCredentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'Aws5ecretKey', sessionToken: 'Aws5essionToken' }

type Fields = Readonly<Record<string, unknown>>
type Call = (fields: Fields, violation: (text: string) => void) => ProtocolAnswer

/** The fields that a call takes of us: those it must have, and those it may. */
const fieldsOf: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
  GetSecretValue: [['SecretId'], []],
  PutSecretValue: [['SecretId', 'SecretString', 'ClientRequestToken'], []],
  CreateSecret: [['Name', 'SecretString', 'ClientRequestToken'], ['KmsKeyId']],
  DeleteSecret: [['SecretId', 'ForceDeleteWithoutRecovery'], []],
  ListSecrets: [['MaxResults', 'Filters'], ['NextToken']],
}

/** @param secrets its content by name. */
export function awsProtocol(secrets: Map<string, string>): Protocol {
  const calls = callsOn(secrets)
  return (request, violation) => {
    checkRequest(request, violation)
    const target = /^secretsmanager\.(\w+)$/.exec(String(request.headers['x-amz-target']))?.[1] ?? ''
    const [must, may] = fieldsOf[target] ?? [[], []]
    const call = calls[target]
    if (call === undefined) {
      violation(`target ${request.headers['x-amz-target']}`)
      return refusal('UnknownOperationException')
    }
    const fields: Fields = JSON.parse(request.body)
    for (const field of must) if (!(field in fields)) violation(`${target} without ${field}`)
    for (const field of Object.keys(fields)) if (!must.includes(field) && !may.includes(field)) violation(`${target} with ${field}`)
    return call(fields, violation)
  }
}

/** What real names are made of: `/_+=.@-` beside letters and digits, up to 512 of them. */
const namePattern = /^[A-Za-z0-9/_+=.@-]{1,512}$/

function callsOn(secrets: Map<string, string>): Readonly<Record<string, Call>> {
  const missing = () => refusal('ResourceNotFoundException')
  return {
    GetSecretValue: ({ SecretId }) => {
      const value = secrets.get(String(SecretId))
      return value === undefined ? missing() : json(200, { Name: SecretId, SecretString: value, VersionStages: ['AWSCURRENT'] })
    },
    PutSecretValue: ({ SecretId, SecretString }, violation) => {
      checkValue(SecretString, violation)
      if (!secrets.has(String(SecretId))) return missing()
      secrets.set(String(SecretId), String(SecretString))
      return json(200, { Name: SecretId, VersionStages: ['AWSCURRENT'] })
    },
    CreateSecret: ({ Name, SecretString }, violation) => {
      checkValue(SecretString, violation)
      if (!namePattern.test(String(Name))) violation(`name ${Name}`)
      if (secrets.has(String(Name))) return refusal('ResourceExistsException')
      secrets.set(String(Name), String(SecretString))
      return json(200, { Name })
    },
    DeleteSecret: ({ SecretId, ForceDeleteWithoutRecovery }, violation) => {
      if (ForceDeleteWithoutRecovery !== true) violation('a deletion that keeps the secret for days')
      secrets.delete(String(SecretId))
      return json(200, { Name: SecretId })
    },
    ListSecrets: (fields, violation) => listed([...secrets.keys()].sort(), fields, violation),
  }
}

/** In pages, and with more than was asked for: the filter is a search. */
function listed(
  names: readonly string[],
  { MaxResults, Filters, NextToken = '0' }: Fields,
  violation: (text: string) => void,
): ProtocolAnswer {
  const [filter, ...others] = Filters as readonly { readonly Key: string; readonly Values: readonly string[] }[]
  if (filter?.Key !== 'name' || filter.Values.length !== 1 || others.length > 0) violation(`filters ${JSON.stringify(Filters)}`)
  if (!(Number(MaxResults) >= 1 && Number(MaxResults) <= 100)) violation(`MaxResults ${MaxResults}`)
  const start = Number(NextToken)
  const pageMax = Math.min(Number(MaxResults), 50)
  const found = names.filter((name) => name.toLowerCase().includes(filter?.Values[0]?.toLowerCase() ?? ''))
  const page = { SecretList: found.slice(start, start + pageMax).map((Name) => ({ Name })) }
  return json(200, start + pageMax < found.length ? { ...page, NextToken: String(start + pageMax) } : page)
}

function checkRequest({ method, path, query, headers }: ProtocolRequest, violation: (text: string) => void): void {
  if (method !== 'POST' || path !== '/' || query !== '') violation('not POST /')
  if (headers['content-type'] !== 'application/x-amz-json-1.1') violation(`content type ${headers['content-type']}`)
  const signed =
    /^AWS4-HMAC-SHA256 Credential=AKIATEST\/\d{8}\/eu-central-1\/secretsmanager\/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$/
  if (!signed.test(String(headers.authorization))) violation(`authorization ${headers.authorization}`)
  if (headers['x-amz-security-token'] !== awsCredentials.sessionToken) violation('no session token')
}

function checkValue(value: unknown, violation: (text: string) => void): void {
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > 65_536) violation('a value of no bytes, or more than 65,536')
}

export function refusal(type: string, status = 400): ProtocolAnswer {
  return json(status, { __type: type, Message: `S3cret: ${awsCredentials.secretAccessKey}` })
}

function json(status: number, body: unknown): ProtocolAnswer {
  return { status, headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'r-1' }, body: JSON.stringify(body) }
}
