"""What is in a bucket, as Amazon's own client (boto3) sees it.

usage: bucket.py ENDPOINT KEY_ID SECRET BUCKET make | list | names | uploads | put NAME TEXT | copy FROM NAME | delete NAME

`list` prints the size and SHA-256 of each object by its name, after reading it; `names` the names alone; `uploads` the names of uploads in parts that have not ended, each with how many
parts it has.
"""

import hashlib
import json
import sys

import boto3
from botocore.config import Config


def main(endpoint, key_id, secret, bucket, word, *rest):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5})
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key_id, aws_secret_access_key=secret, region_name="us-east-1", config=config
    )
    if word == "make":
        s3.create_bucket(Bucket=bucket)
    elif word == "put":
        s3.put_object(Bucket=bucket, Key=rest[0], Body=rest[1].encode())
    elif word == "copy":
        s3.copy_object(Bucket=bucket, Key=rest[1], CopySource={"Bucket": rest[0], "Key": rest[1]})
    elif word == "delete":
        s3.delete_object(Bucket=bucket, Key=rest[0])
    elif word == "uploads":
        found = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        of = lambda upload: s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])
        print(json.dumps([[upload["Key"], len(of(upload))] for upload in found]))
    elif word == "names":
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        print(json.dumps([entry["Key"] for page in pages for entry in page.get("Contents", [])]))
    elif word == "list":
        objects = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                digest = hashlib.sha256()
                for chunk in s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].iter_chunks(1 << 20):
                    digest.update(chunk)
                objects[entry["Key"]] = [entry["Size"], digest.hexdigest()]
        print(json.dumps(objects))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
