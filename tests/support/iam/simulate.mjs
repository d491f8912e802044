// Answers, line by line, whether IAM would let a token take a role: {document, account, role, claims} -> {allowed},
// and what a role may do by its policy: {policy, account, role, action, resource, context} -> {allowed}.
import readline from 'node:readline'
import { createValidatedPolicy, validateTrustPolicy } from '@cloud-copilot/iam-policy'
import { allowedContextKeysForRequest, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

const ACTION = 'AssumeRoleWithWebIdentity'

// IAM compares `sub` and `aud` of every issuer, and of some issuers what the service's own reference lists.
async function seen(host, claims, role) {
  const listed = (await allowedContextKeysForRequest('sts', ACTION, role, false)).map(
    (key) => new RegExp(`^${key.replaceAll('.', '\\.').replaceAll(/\$\{\w+\}/g, '[^/:]+')}$`)
  )
  const visible = ([claim]) => ['sub', 'aud'].includes(claim) || listed.some((key) => key.test(`${host}:${claim}`))
  return Object.fromEntries(
    Object.entries(claims)
      .filter(visible)
      .map(([claim, value]) => [`${host}:${claim}`, value])
  )
}

function decided({ account, principal, action, resource, context, policy, resourcePolicy }) {
  // "Unsafe" is without its check of keys, which knows those of listed claims and no issuer's `sub` and `aud`.
  const result = runUnsafeSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: policy ? [{ name: 'policy', policy }] : [],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy
    },
    {}
  )
  return { allowed: result === 'Allowed', result }
}

async function taken({ document, account, role, claims }) {
  const host = claims.iss.replace('https://', '')
  // Its own `loadPolicy` reads the name of what it is given and ends without one.
  const resourcePolicy = createValidatedPolicy(document, validateTrustPolicy, { name: 'trust' })
  if (resourcePolicy.errors.length) throw new Error(JSON.stringify(resourcePolicy.errors))
  const principal = `arn:aws:iam::${account}:oidc-provider/${host}`
  const context = await seen(host, claims, role)
  return decided({ account, principal, action: `sts:${ACTION}`, resource: role, context, resourcePolicy })
}

const answered = async (asked) => (asked.claims ? taken(asked) : decided({ ...asked, principal: asked.role }))

for await (const line of readline.createInterface({ input: process.stdin })) {
  const answer = await answered(JSON.parse(line)).catch((error) => ({ error: String(error) }))
  console.log(JSON.stringify(answer))
}
