"""Send the model and its card to the Hugging Face Hub, in one commit."""

import argparse
from pathlib import Path

from redacoes.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("repository", metavar="OWNER/NAME", help="the repository, which is created if need be")
    parser.add_argument("--revision", metavar="BRANCH", default="main", help="the branch to publish to (main)")
    parser.add_argument("--private", action="store_true", help="if it is created: for nobody else to see")
    parser.add_argument("--dry-run", action="store_true", help="write what would be sent, and send nothing")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="a new folder for the dry run (.work/publish)")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from huggingface_hub import HfApi

    from redacoes.release import bundle, publish

    repository, branch = options.repository, options.revision
    if options.out and not options.dry_run:
        raise UserError("--out is where a dry run writes: add --dry-run")
    publish.require_name(repository)
    token = None if options.dry_run else publish.find_token()
    bundle.require_publishable(Path())
    files = bundle.collect(Path(), repository, branch)
    sizes = {name: bundle.size(source) for name, source in files.items()}
    if options.dry_run:
        folder = options.out or bundle.DRAFT
        bundle.write(files, folder)
        print(f"to {repository}, branch {branch}, in one commit{' (private)' if options.private else ''}:")
        print("\n".join(f"  {size:>13,}  {name}" for name, size in sizes.items()))
        print(f"  {sum(sizes.values()):>13,}  bytes in all\nwritten to {folder}; nothing was sent")
        return 0
    done = publish.publish(files, repository, branch, options.private, HfApi(token=token))
    if done.sent or done.removed:
        print(f"published {repository}@{done.commit}")
        print("\n".join(f"  {sizes[name]:>13,}  {name}" for name in done.sent))
        print("".join(f"  {'removed':>13}  {name}\n" for name in done.removed), end="")
    else:
        print(f"nothing to change: {repository}@{done.commit} is this model already")
    if done.others:
        print(f"also there, and no part of this model: {', '.join(done.others)}")
    return 0
