"""Google Cloud: a project, a GKE cluster and a data store of one's own, or a slice of a platform that has them.

Which resource types and invokes each file uses:

- account: `gcp:organizations:Project`, `gcp:projects:Service`, `random:RandomId`
- place: `gcp:projects:ServiceIdentity`, `gcp:kms:KeyRing`, `gcp:kms:CryptoKey`, `gcp:kms:CryptoKeyIAMMember`
- questions: invokes `gcp:organizations:getProject`, `gcp:compute:getZones`, `gcp:compute:getMachineTypes`,
  `gcp:compute:getRegions`, `gcp:cloudquota:getSQuotaInfo`, and of what is adopted `gcp:compute:getNetwork`,
  `gcp:compute:getSubnetwork`, `gcp:compute:getGlobalAddress`, `gcp:container:getCluster`, `gcp:storage:getBucket`
- network: `gcp:compute:Network`, `gcp:compute:Subnetwork`, `gcp:compute:Router`, `gcp:compute:RouterNat`,
  `gcp:compute:Address`, `gcp:compute:GlobalAddress`, `gcp:servicenetworking:Connection`, `gcp:dns:ManagedZone`,
  `gcp:dns:RecordSet`
- cluster: `gcp:container:Cluster`, `gcp:serviceaccount:Account`, `gcp:projects:IAMMember`,
  `gcp:binaryauthorization:Policy`
- pools: `gcp:container:NodePool`
- store: `gcp:storage:Bucket`, invoke `gcp:storage:getProjectServiceAccount`
- identities: `gcp:storage:BucketIAMBinding` (own buckets), `gcp:storage:BucketIAMMember` (adopted ones, and the lake's)
- database: `gcp:sql:DatabaseInstance`, `gcp:sql:User`, `gcp:sql:SslCert`, `random:RandomPassword`; the PostgreSQL
  provider gets authority and client certificate as PEM text (`clientcert.sslinline`)
- registry: `gcp:artifactregistry:Repository`, `gcp:artifactregistry:RepositoryIamMember`
- governance: `gcp:billing:Budget`, `gcp:monitoring:NotificationChannel`, `gcp:iam:WorkloadIdentityPool`,
  `gcp:iam:WorkloadIdentityPoolProvider`, `gcp:serviceaccount:Account`, `gcp:serviceaccount:IAMMember`,
  `gcp:projects:IAMMember`
"""

from components.contract import Cloud
from components.gcp.adapter import GcpCloud

cloud: Cloud = GcpCloud()

__all__ = ["cloud"]
