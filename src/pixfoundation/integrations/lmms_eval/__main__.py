"""`python -m pixfoundation.integrations.lmms_eval` prints the folder of the tasks."""

from pixfoundation.integrations.lmms_eval import TASKS

if __name__ == "__main__":
    print(TASKS)
